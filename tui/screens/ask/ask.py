"""One line from the user, completed from what there is already."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from tui.actions import bindings_for
from tui.safe import one_line

_KNOWN_SHOWN = 12


class AskScreen(ModalScreen[str | None]):
    """Dismisses with the line, or None. `known` completes what is typed (with the right arrow key); `value`
    stands in the line from the start.
    """

    CSS_PATH = "ask.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "#line"

    def __init__(self, question: str, *, hint: str = "", known: Sequence[str] = (), value: str = "") -> None:
        super().__init__(name="ask")
        self._question, self._hint, self._value = question, hint, value
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

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)

    def action_close(self) -> None:
        self.dismiss(None)
