"""Go to a pane by its letter, wherever it is."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import App, ComposeResult
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from tui.actions import bindings_for
from tui.widgets.line_view import LineView

LETTERS = "asdfghjkl"


def jump(app: App[None]) -> None:
    """Have a pane of the screen picked, and focus it."""

    def focus(pane: Widget | None) -> None:
        if pane is not None:
            pane.screen.set_focus(pane)

    if panes := panes_of(app.screen):
        app.push_screen(JumpScreen(panes), focus)


def panes_of(screen: Screen[object]) -> Sequence[Widget]:
    """The panes of a screen that can be focused, also those on other pages."""
    return list(screen.query(LineView))[: len(LETTERS)]


def _name(pane: Widget) -> str:
    title = pane.border_title or (pane.parent.border_title if isinstance(pane.parent, Widget) else "")
    return str(title or pane.id or "").partition(" · ")[0]


class JumpScreen(ModalScreen[Widget]):
    """Dismisses with the pane picked, or None."""

    CSS_PATH = "jump.tcss"
    BINDINGS = bindings_for("dialog")

    def __init__(self, panes: Sequence[Widget]) -> None:
        super().__init__(name="jump")
        self._panes = dict(zip(LETTERS, panes, strict=False))

    def compose(self) -> ComposeResult:
        lines: list[tuple[str, str]] = []
        for letter, pane in self._panes.items():
            name = "Detail" if pane.id == "detail-text" else _name(pane)
            lines += [(f" {letter} ", "$background on $primary bold"), (f"  {name}\n\n", "")]
        yield Static(Content.assemble(*lines[:-1], lines[-1][0].rstrip()), classes="dialog")

    def on_mount(self) -> None:
        self.query_one(Static).border_title = "Jump to"

    def on_key(self, event: events.Key) -> None:
        pane = self._panes.get(event.key)
        if pane is not None:
            event.stop()
            self.dismiss(pane)

    def action_close(self) -> None:
        self.dismiss(None)
