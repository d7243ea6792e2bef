"""A row of a table with every cell uncut."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.actions import bindings_for
from tui.widgets.text_view import TextView


class WholeRowScreen(ModalScreen[None]):
    """Shows a title and its text a line; longer texts wrap. y, e and x take the text away."""

    CSS_PATH = "columns.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "TextView"

    def __init__(self, cells: Sequence[tuple[str, str]]) -> None:
        super().__init__(name="row")
        self._cells = cells

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(id="row")

    def on_mount(self) -> None:
        wide = max((len(title) for title, _ in self._cells), default=0)
        lines = [f"{title:<{wide}}  {text}" for title, text in self._cells if text]
        self.query_one(TextView).show("\n".join(lines))

    def action_close(self) -> None:
        self.dismiss(None)
