"""Choosing what to compare: the variants of all experiments, two to four of which are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tui.actions import bindings_for
from tui.marks import Marks
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.compare.ahead import get_ready
from tui.screens.compare.rows import CHOICE_COLUMNS, choice_rows
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.experiment_reader import ExperimentRow


class ChooseScreen(WorkbenchScreen[None]):
    """Runs are marked on the Runs screen."""

    BINDINGS = bindings_for("choose")

    def __init__(self) -> None:
        super().__init__(name="choose")
        self._experiments: list[ExperimentRow] = []
        self._marks = Marks()

    def compose(self) -> ComposeResult:
        yield TitleBar("Compare")
        table = TableView(CHOICE_COLUMNS, id="variants", empty="Reading the store …")
        table.border_title = "Experiments"
        yield table
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self._table)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.read_store(self._load)

    @property
    def _table(self) -> TableView:
        return self.query_one("#variants", TableView)

    async def _load(self) -> None:
        from store.errors import StoreError

        try:
            self._experiments = await self.navigation.records.experiments()
        except StoreError as error:
            self._table.empty = f"The store cannot be read: {one_line(str(error), 200)}"
        else:
            self._table.empty = (
                "No experiment yet; start one with: flowreasoner bench BENCHMARK\n"
                "Runs can be compared as well: mark them with space on the Runs screen (2)."
            )
        self._show()
        get_ready(self)

    def _show(self) -> None:
        self._table.show(choice_rows(self._experiments, self._marks.keys))
        self._table.tell(self._marks.told)
        self._table.refresh()
        self.refresh_bindings()

    def can_act(self, action: str) -> bool:
        return not self._marks.problem if action == "compare" else self._table.selected is not None

    @on(LineList.Chosen, "#variants")
    def action_mark(self) -> None:
        if self._table.selected is None:
            return
        if problem := self._marks.toggle(self._table.selected):
            self.notify(problem)
        self._show()
        get_ready(self, tuple(self._marks.keys))

    def action_compare(self) -> None:
        if problem := self._marks.problem:
            self.notify(problem)
        else:
            self.navigation.open_comparison(self._marks.keys)
