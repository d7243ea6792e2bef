"""Every experiment: how far it is, what it consists of, and its latest trials."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from sandbox.errors import ExpectedError
from store.compare import MOST
from tui.actions import bindings_for
from tui.format import left_out, plural
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.compare.ahead import get_ready
from tui.screens.experiments.rows import (
    EXPERIMENT_COLUMNS,
    TRIAL_COLUMNS,
    VARIANT_COLUMNS,
    experiment_row,
    facts,
    trial_row,
    variant_rows,
    went_wrong,
)
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from engine.experiments.standing import Standing
    from store.experiment_reader import ExperimentRow, TrialRow
    from store.reader import Reader
    from tui.service.requests import ExperimentRequest, NewExperiment, Placement

REREAD_S = 1.0
LATEST = 200
EMPTY = "No experiment yet.\nn starts one: variants on the problems of a benchmark, in the background."


class ExperimentsScreen(WorkbenchScreen[None]):
    """What the store knows, and over it how experiments in progress stand now."""

    CSS_PATH = "experiments.tcss"
    BINDINGS = bindings_for("experiments")

    def __init__(self, selected: str | None = None) -> None:
        super().__init__(name="experiments")
        self._wanted = selected
        self._rows: dict[str, ExperimentRow] = {}
        self._now: dict[str, Standing] = {}
        self._trials: list[TrialRow] = []
        self._trials_of = ""  # the experiment that they are of
        self._only_failed = False
        self._newest = -1  # event in the store when all of this was read

    def compose(self) -> ComposeResult:
        yield TitleBar("Experiments")
        yield TableView(EXPERIMENT_COLUMNS, id="experiments", empty="Reading the store …")
        with Vertical(id="details"):
            with Horizontal(id="about"):
                yield Static(id="plan", classes="box", markup=False)
                yield TableView(VARIANT_COLUMNS, id="variants")
            yield TableView(TRIAL_COLUMNS, id="trials", empty="No trial has begun.")
        yield Footer()

    def on_mount(self) -> None:
        self._table("experiments").border_title = "Experiments"
        self.query_one("#plan").border_title = "Plan"
        self._table("variants").border_title = "Variants"
        self.set_focus(self._table("experiments"))
        self.set_interval(REREAD_S, self._reread)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()

    def _table(self, id: str) -> TableView:
        return self.query_one(f"#{id}", TableView)

    @property
    def _selected(self) -> ExperimentRow | None:
        return self._rows.get(self._table("experiments").selected or "")

    # -- reading -----------------------------------------------------------------------------------

    def action_reload(self) -> None:
        self._newest = -1
        self.read_store(self._load)

    def _reread(self) -> None:
        if self.is_current:
            self.read_store(self._load, again=False)

    async def _load(self) -> None:
        """How experiments stand; and what the store has, where anything was written."""
        from store.errors import StoreError

        app, table = self.navigation, self._table("experiments")
        self._now = {now.experiment: now for now in await app.engines.standings()}
        try:
            newest = await app.records.read(lambda reader: reader.newest_event())
            # A new experiment has no event before its first trial.
            if newest != self._newest or set(self._now) - set(self._rows):
                self._rows = {row.name: row for row in await app.records.experiments()}
                self._newest = newest
                self._show()
                await self._load_trials()
        except StoreError as error:
            table.empty = f"The store cannot be read: {one_line(str(error), 200)}"
            table.show([])
            table.refresh()
            return
        self._show()

    async def _load_trials(self) -> None:
        row = self._selected
        if row is None:
            self._trials = []
            return
        name = row.name

        def read(reader: Reader) -> list[TrialRow]:
            return reader.experiments.trials(name)

        trials = await self.navigation.records.read(read)
        if self._table("experiments").selected == name:  # the cursor may have moved on
            self._trials = sorted(trials, key=lambda trial: trial.started_at, reverse=True)
            self._trials_of = name
            self._show_trials()
            if self.can_act("compare"):
                is_at_rest = name not in self._now and row.holder is None
                get_ready(self, [name] if is_at_rest and len(row.variants) <= MOST else ())

    def _show(self) -> None:
        table = self._table("experiments")
        table.empty = EMPTY
        table.show([experiment_row(row, self._now.get(name)) for name, row in self._rows.items()])
        if self._wanted in self._rows:
            table.move(list(self._rows).index(self._wanted or ""))
            self._wanted = None
        now = f"{plural(len(self._now), 'experiment')} in progress" if self._now else ""
        table.tell(" · ".join(filter(None, (now, left_out(self.navigation.records.damaged)))))
        table.refresh()
        self._show_details()

    def _show_details(self) -> None:
        row = self._selected
        now = self._now.get(row.name) if row else None
        self._table("variants").show(variant_rows(now.variants if now else row.variants if row else ()))
        lines: list[Content | tuple[str, str]] = []
        for name, value in facts(row, now) if row else ():
            lines += [(f"{name:<10}", "$foreground 60%"), (value, ""), ("\n", "")]
        self.query_one("#plan", Static).update(Content.assemble(*lines[:-1]))
        self.refresh_bindings()
        self._show_trials()

    def can_act(self, action: str) -> bool:
        row = self._selected
        if action == "new":
            return True
        if row is None:
            return False
        is_going_on = row.name in self._now
        match action:
            case "pause" | "cancel":
                return is_going_on
            case "resume" | "retry":
                left = row.total - row.done if action == "resume" else sum(v.infra for v in row.variants)
                return left > 0 and not is_going_on and row.holder is None
            case "compare":
                return len(row.variants) > 1
            case _:
                return True

    def _show_trials(self) -> None:
        table = self._table("trials")
        trials = [t for t in self._trials if went_wrong(t)] if self._only_failed else self._trials
        table.border_title = "Latest trials, only failed" if self._only_failed else "Latest trials"
        is_part = len(trials) > LATEST
        table.tell(f"the latest {LATEST} of {len(trials):,}" if is_part else "", part=is_part)
        table.empty = "No trial has failed." if self._only_failed and self._trials else "No trial has begun."
        table.show([trial_row(trial) for trial in trials[:LATEST]])
        table.refresh()

    @on(LineList.Highlighted, "#experiments")
    def _moved(self) -> None:
        # Told late as well, when the trials have been read and the cursor is among them: it stays there.
        if self._table("experiments").selected == self._trials_of:
            return
        self._trials, self._trials_of = [], ""
        self._show_details()
        self.read_store(self._load_trials, what="trials")

    # -- opening -----------------------------------------------------------------------------------

    @on(LineList.Chosen, "#experiments")
    def _open(self) -> None:
        from tui.screens.experiments.trials import TrialsScreen

        if (row := self._selected) is not None:
            self.app.push_screen(TrialsScreen(row.name))

    @on(LineList.Chosen, "#trials")
    def _open_trial(self) -> None:
        if (run_id := self._table("trials").selected) is not None:
            self.navigation.open_run(run_id)

    def widen(self) -> bool:
        if narrowed := self._only_failed:
            self.action_failed()
        return narrowed

    def action_failed(self) -> None:
        self._only_failed = not self._only_failed
        self._show_trials()

    def action_compare(self) -> None:
        if (row := self._selected) is None:
            return
        if len(row.variants) > 1:
            self.navigation.open_comparison([row.name])
        else:
            self.notify(
                "This experiment has one variant; mark variants to compare on the Compare screen (6)."
            )

    # -- starting and stopping ---------------------------------------------------------------------

    def action_new(self) -> None:
        self.fill_in()

    def fill_in(self, variants: Sequence[str] = ()) -> None:
        """Open the form, with these variants in it."""
        from tui.screens.new_experiment.new_experiment import LAST, NewExperimentScreen

        memory = self.navigation.memory
        form = NewExperimentScreen(self.navigation.workbench, variants)

        def start(filled: tuple[NewExperiment, Placement] | None) -> None:
            if filled is not None:
                self._start(filled, begun=begun)

        def begun() -> None:
            memory.put(LAST, memory.draft(form.form))
            memory.drop_draft(form.form)

        self.app.push_screen(form, start)

    def action_resume(self) -> None:
        self._carry_on()

    def action_retry(self) -> None:
        row = self._selected
        if row is not None and not sum(state.infra for state in row.variants):
            self.notify(
                "No trial failed because of its sandbox or model; u runs the trials that are not done."
            )
        else:
            self._carry_on("infra")

    def _carry_on(self, *retry: str) -> None:
        from tui.service.requests import Placement, Resume

        if (row := self._selected) is None:
            return
        if row.name in self._now or row.holder is not None:
            self.notify(f"{row.name} is in progress.")
        elif row.done == row.total:
            self.notify(f"All {plural(row.total, 'trial')} of {row.name} are done.")
        else:
            self._start((Resume(name=row.name, retry=retry), Placement()))

    def _start(
        self, asked: tuple[ExperimentRequest, Placement], begun: Callable[[], None] = lambda: None
    ) -> None:
        async def start() -> None:
            name = await self.navigation.workbench.start_experiment(*asked)
            begun()
            self._wanted = name
            self.notify(f"{name} has begun; it continues when the workbench closes.")

        self._do(start())

    def action_pause(self) -> None:
        if (now := self._in_progress()) is not None:
            self._act(now, "continue" if now.status in ("pausing", "paused") else "pause")

    def action_cancel(self) -> None:
        from tui.screens.confirm.confirm import ConfirmScreen

        if (now := self._in_progress()) is None:
            return
        running = plural(now.running, "trial")
        question = f"Cancel {now.experiment}? Finished trials are kept; {running} would be cut off."

        def answered(yes: bool | None) -> None:
            if yes:
                self._act(now, "cancel")

        self.app.push_screen(ConfirmScreen(question, "Cancel it"), answered)

    def _in_progress(self) -> Standing | None:
        row = self._selected
        now = self._now.get(row.name) if row else None
        if row is not None and now is None:
            self.notify(f"{row.name} is not in progress.")
        return now

    def _act(self, now: Standing, action: str) -> None:
        async def act() -> None:
            await self.navigation.workbench.act_on_experiment(now.experiment, action)

        self._do(act())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, tell why where it cannot be done, and show what came of it."""

        async def do() -> None:
            try:
                await work
            except ExpectedError as error:
                self.notify(one_line(str(error), 300), severity="warning", timeout=10)
            self.action_reload()

        self.run_worker(do, group="control", exit_on_error=False)
