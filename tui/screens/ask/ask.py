"""One line from the user, completed from what there is already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widgets import Input, Label

from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.drafted import KEEP_SECONDS, text_of

if TYPE_CHECKING:
    from tui.memory import Memory
    from tui.navigation import Navigation

_KNOWN_SHOWN = 12


class AskScreen(ModalScreen[str | None]):
    """Dismisses with the line, or None. `known` completes what is typed (with the right arrow key); `value`
    stands in the line from the start. With `draft`, a name, what was typed is kept as a draft: who asks drops
    it once it was used.
    """

    CSS_PATH = "ask.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "#line"

    def __init__(
        self,
        question: str,
        *,
        hint: str = "",
        known: Sequence[str] = (),
        value: str = "",
        draft: str = "",
    ) -> None:
        super().__init__(name="ask")
        self._question, self._hint, self._value, self._draft = question, hint, value, draft
        self._keeping: Timer | None = None
        self._known = [one_line(name, 60) for name in known]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(one_line(self._question, 200), markup=False)
            yield Input(self._value, id="line", compact=True, suggester=SuggestFromList(self._known))
            if self._known:
                names = one_line("  ".join(self._known[:_KNOWN_SHOWN]), 400)
                yield Label(f"There are: {names}", id="known", markup=False)
            if self._hint:
                yield Label(self._hint, id="hint", markup=False)

    def on_mount(self) -> None:
        kept = self._memory.draft(self._draft) if self._draft else None
        if kept is not None:
            line = self.query_one("#line", Input)
            line.value = text_of(kept, "line", self._value)
            line.cursor_position = len(line.value)

    @property
    def _memory(self) -> Memory:
        return cast("Navigation", self.app).memory

    @on(Input.Changed, "#line")
    def _keep_soon(self) -> None:
        if self._draft and self._keeping is None:
            self._keeping = self.set_timer(KEEP_SECONDS, self._keep)

    def _keep(self) -> None:
        """Write the draft now, where something was typed since."""
        if self._keeping is None:
            return
        self._keeping.stop()
        self._keeping = None
        if line := self.query_one("#line", Input).value.strip():
            self._memory.keep_draft(self._draft, {"line": line})
        else:
            self._memory.drop_draft(self._draft)

    def _on_prune(self) -> None:
        self._keep()  # its line is still there; Textual calls the base class's method too

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        self._keep()  # before whoever asked may drop it
        self.dismiss(event.value.strip() or None)

    def action_close(self) -> None:
        self.dismiss(None)
