"""Which columns of a table are shown."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label
from textual.widgets.selection_list import Selection

from tui.actions import bindings_for
from tui.widgets.check_box import CheckList


class ColumnsScreen(ModalScreen[list[str] | None]):
    """Dismisses with the titles that are to be shown."""

    CSS_PATH = "columns.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "CheckList"

    def __init__(self, titles: Sequence[str], chosen: Sequence[str]) -> None:
        super().__init__(name="columns")
        self._titles, self._chosen = titles, chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Columns (space picks, esc closes)", markup=False)
            rows = [Selection(Content(title), title, title in self._chosen) for title in self._titles]
            yield CheckList[str](*rows, compact=True)

    def action_close(self) -> None:
        picked = self.query_one(CheckList).selected
        self.dismiss([title for title in self._titles if title in picked])
