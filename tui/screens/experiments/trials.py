"""The trials of one experiment, by repeat, problem and variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from tui.actions import bindings_for
from tui.format import left_out, plural
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.experiments.rows import TRIAL_COLUMNS, trial_row, went_wrong
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.experiment_reader import TrialRow

REREAD_S = 2.0


class TrialsScreen(WorkbenchScreen[None]):
    """Of each trial, the run that is reported."""

    CSS_PATH = "trials.tcss"
    BINDINGS = bindings_for("trials")

    def __init__(self, experiment: str) -> None:
        super().__init__(name="trials")
        self._experiment = experiment
        self._trials: list[TrialRow] = []
        self._only_failed = False
        self._newest = -1

    def compose(self) -> ComposeResult:
        yield TitleBar("Trials")
        yield TableView(TRIAL_COLUMNS, id="trials", empty="Reading the store …")
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self._table)
        self.set_interval(REREAD_S, self._reread)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()

    @property
    def _table(self) -> TableView:
        return self.query_one("#trials", TableView)

    def action_reload(self) -> None:
        self._newest = -1
        self.read_store(self._load)

    def _reread(self) -> None:
        if self.is_current:
            self.read_store(self._load, again=False)

    async def _load(self) -> None:
        from store.errors import StoreError

        records = self.navigation.records
        try:
            newest = await records.read(lambda reader: reader.newest_event())
            if newest == self._newest:
                return
            self._trials = await records.read(lambda reader: reader.experiments.trials(self._experiment))
        except StoreError as error:
            self._table.empty = f"The store cannot be read: {one_line(str(error), 200)}"
            self._table.show([])
            self._table.refresh()
            return
        self._newest = newest
        self._show()

    def _show(self) -> None:
        table, wrong = self._table, [t for t in self._trials if went_wrong(t)]
        table.border_title = f"{self._experiment}, only failed" if self._only_failed else self._experiment
        count = f"{plural(len(self._trials), 'trial')}, {len(wrong):,} failed"
        table.tell(" · ".join(filter(None, (count, left_out(self.navigation.records.damaged)))))
        table.empty = "No trial has failed." if self._only_failed and self._trials else "No trial has begun."
        table.show([trial_row(trial) for trial in (wrong if self._only_failed else self._trials)])
        table.refresh()

    @on(LineList.Chosen, "#trials")
    def _open(self) -> None:
        if (run_id := self._table.selected) is not None:
            self.navigation.open_run(run_id)

    def widen(self) -> bool:
        if narrowed := self._only_failed:
            self.action_failed()
        return narrowed

    def action_failed(self) -> None:
        self._only_failed = not self._only_failed
        self._show()
