"""A yes-or-no question; y and n answer it, and Enter takes the safe answer."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from tui.actions import bindings_for


class ConfirmScreen(ModalScreen[bool]):
    """Dismisses with True where the user says yes."""

    CSS_PATH = "confirm.tcss"
    BINDINGS = bindings_for("dialog") + bindings_for("confirm")
    AUTO_FOCUS = "#no"

    def __init__(self, question: str, yes: str, no: str = "Keep it running") -> None:
        super().__init__(name="confirm")
        self._question, self._yes, self._no = question, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            with Horizontal(id="answers"):
                yield Button(f"n  {self._no}", id="no", compact=True)
                yield Button(f"y  {self._yes}", id="yes", variant="error", compact=True)

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)

    def action_close(self) -> None:
        self.dismiss(False)
