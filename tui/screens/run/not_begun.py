"""What a run's screen shows in place of its panes where the run could not begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from tui.action_list import ACTIONS
from tui.actions import bindings_for
from tui.safe import clean
from tui.service.requests import NewRun

if TYPE_CHECKING:
    from tui.navigation import Navigation
    from tui.session import RunSession

_MOST = 2_000
_OF_A_RUN = frozenset(action.action for action in ACTIONS if action.scope == "run")


class NotBegun(Widget, can_focus=True):
    """Says why, whole, and leads back to the form, which is as it was."""

    BINDINGS = bindings_for("not_begun")
    DEFAULT_CSS = """
    NotBegun { display: none; height: auto; padding: 1 2; margin: 1 2; border: round $error; }
    """

    def __init__(self, session: RunSession) -> None:
        super().__init__(id="not-begun")
        self._session = session
        self.border_title = "The run could not begin"

    def sync(self) -> bool:
        """Bring it up to date; True where it has just appeared."""
        appears = self._session.never_began and not self.display
        if appears:
            self.display = True
            self.refresh(layout=True)
        return appears

    def bars(self, action: str) -> bool:
        """Whether an action has no run to act on: it would only take the focus from the way back."""
        return self._session.never_began and action in _OF_A_RUN

    def render(self) -> RenderResult:
        return Content.assemble(
            (clean(self._session.state.error or "")[:_MOST], "bold"),
            "\n\n",
            ("Nothing was run, and nothing is lost.  ", "$foreground 70%"),
            ("enter", "$primary bold"),
            (" returns to the form as you filled it in.", "$foreground 70%"),
        )

    def action_back_to_form(self) -> None:
        request = self._session.request
        self.app.pop_screen()
        if isinstance(request, NewRun):
            cast("Navigation", self.app).open_form(request)
