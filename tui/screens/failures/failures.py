"""Failed runs: clusters on the left, the runs of one in the middle, a look at one on the right."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.timer import Timer

from tui.actions import bindings_for
from tui.format import plural
from tui.safe import one_line
from tui.screens.base import Load, WorkbenchScreen
from tui.screens.failures.again import start_again
from tui.screens.failures.labelling import label_old
from tui.screens.failures.paired import open_forks_of
from tui.screens.failures.rows import CLUSTER_COLUMNS, RUN_COLUMNS, cluster_row, run_row
from tui.screens.failures.step_text import step_text
from tui.watching import Watches
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.annotations import Annotation, Kind
    from store.failures import Grouping
    from store.reader import Reader
    from store.rows import RunRow

REREAD_S = 2.0
DEBOUNCE_S = 0.08  # a held-down key reads nothing but where it stops
CLUSTERS, RUNS = 500, 500
MOST_RERUNS = 20  # the command line does more, some at a time


class FailuresScreen(WorkbenchScreen[None]):
    """What is selected on the left decides what is on its right; everything is read in threads."""

    CSS_PATH = "failures.tcss"
    BINDINGS = bindings_for("failures")

    def __init__(self) -> None:
        super().__init__(name="failures")
        self._by: Grouping = "signature"
        self._newest = 0  # event in the store when all of this was read
        self._runs: tuple[RunRow, ...] = ()
        self._runs_of: tuple[Grouping, str | None] = ("signature", None)  # the cluster that they are to be of
        self._read: tuple[Grouping, str | None] | None = None  # the one that they are of
        self._said: dict[str, list[Annotation]] = {}
        self._waiting: dict[str, Timer] = {}
        self._shows_step = False  # its prompts and replies in place of why the run failed
        self._undo: list[tuple[RunRow, Kind, str, bool]] = []  # what was said, and whether taken away

    def compose(self) -> ComposeResult:
        yield TitleBar("Failures")
        with Horizontal(id="body"):
            with Container(id="lists"):
                yield TableView(CLUSTER_COLUMNS, id="clusters", empty="Reading the store …")
                yield TableView(RUN_COLUMNS, id="runs")
            yield TextView(id="peek", language="report", empty="Nothing is selected.")
        yield Footer()

    def on_mount(self) -> None:
        self._table("runs").border_title = "Runs"
        self.query_one("#peek").border_title = "Why"
        self.set_focus(self._table("clusters"))
        self.set_interval(REREAD_S, self._reread)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()
        self.run_worker(partial(label_old, self, self.action_reload), group="labels", exclusive=True)

    def _table(self, id: str) -> TableView:
        return self.query_one(f"#{id}", TableView)

    # -- reading -----------------------------------------------------------------------------------

    def action_reload(self) -> None:
        self.read_store(self._load)

    def _reread(self) -> None:
        if self.is_current:
            self.read_store(partial(self._load, force=False), again=False)

    async def _load(self, *, force: bool = True) -> None:
        """The clusters, then the runs of the selected one; without `force`, where anything was written."""
        from store.errors import StoreError

        table, by = self._table("clusters"), self._by
        try:
            newest = await self.navigation.records.read(lambda r: r.newest_event())
            if newest == self._newest and not force:
                return
            found = await self.navigation.records.read(lambda r: r.failures.clusters(by, limit=CLUSTERS))
        except StoreError as error:
            table.border_title = f"By {by}"
            table.empty = f"The store cannot be read: {one_line(str(error), 200)}"
            table.show([])
            table.refresh()
            return
        table.border_title = f"By {by}"
        table.empty = "No run has failed.\nFailed runs appear here,\nclustered by what went wrong."
        watches = Watches(self.navigation.records, self.navigation.memory)
        table.show([cluster_row(by, c, watched=watches.has(by, c.key)) for c in found.clusters])
        table.tell(
            plural(found.total, "failed run") if found.total else "", part=len(found.clusters) >= CLUSTERS
        )
        table.refresh()
        await self._load_runs()
        self._newest = newest

    async def _load_runs(self) -> None:
        key, by = self._table("clusters").selected, self._by
        if (by, key) != self._runs_of:
            self._table("runs").move(0)
            self._runs_of = (by, key)
        if key is None:
            self._runs, self._said, self._read = (), {}, (by, key)
            self._show_runs(more=False)
            self._peek_later()
            return

        def read(reader: Reader) -> tuple[tuple[RunRow, ...], dict[str, list[Annotation]], bool]:
            page = reader.runs(cluster=(by, key), limit=RUNS)
            return page.rows, reader.annotations.of([r.id for r in page.rows]), page.next_cursor is not None

        runs, said, more = await self.navigation.records.read(read)
        if (by, key) != self._runs_of:
            return  # the cursor has gone on, and the read of where it is has begun
        self._runs, self._said, self._read = runs, said, (by, key)
        self._show_runs(more=more)
        self._peek_later()

    async def _catch_up(self) -> None:
        """Have the runs of the cluster that the keys before this one, however fast, have led to."""
        from store.errors import StoreError

        try:
            if self._read is None or self._read[0] != self._by:
                await self._load()
            elif self._read[1] != self._table("clusters").selected:
                await self._load_runs()
        except StoreError as error:
            self.notify(one_line(str(error), 300), severity="error")

    def _show_runs(self, *, more: bool) -> None:
        table = self._table("runs")
        table.show([run_row(run, self._said.get(run.id, [])) for run in self._runs])
        count = plural(len(self._runs), "run")
        table.tell(f"the newest {count}" if more else count if self._runs else "", part=more)
        table.refresh()
        self.refresh_bindings()

    # -- following the cursor ----------------------------------------------------------------------

    @on(LineList.Highlighted, "#clusters")
    def _cluster_selected(self) -> None:
        # Said of the first rows as well, whose runs are being read with them: by the time this came to its
        # turn on a slow machine, the cursor was already among those runs, and was put back to the first.
        if (self._by, self._table("clusters").selected) != self._runs_of:
            self._later("runs", self._load_runs)

    @on(LineList.Highlighted, "#runs")
    def _peek_later(self) -> None:
        self._later("peek", self._load_peek)

    def _later(self, what: str, load: Load) -> None:
        if (timer := self._waiting.get(what)) is not None:
            timer.stop()
        self._waiting[what] = self.set_timer(DEBOUNCE_S, partial(self.read_store, load, what=what))

    async def _load_peek(self) -> None:
        from store.errors import StoreError
        from tui.screens.failures.peek import peek_text

        view = self.query_one("#peek", TextView)
        run = self._selected
        if run is None:
            view.show("")
            return
        shows_step = self._shows_step

        def read(reader: Reader) -> str:
            peek = reader.failures.peek(run.id)
            return step_text(peek, reader.model_calls(run.id)) if shows_step else peek_text(run, peek)

        try:
            text = await self.navigation.records.read(read)
        except StoreError as error:
            text = f"This run cannot be read: {one_line(str(error), 300)}"
        view.show(text)
        view.border_title = "Prompt and reply" if shows_step else "Why"
        view.border_subtitle = run.id

    @property
    def _selected(self) -> RunRow | None:
        key = self._table("runs").selected
        return next((run for run in self._runs if run.id == key), None)

    # -- opening -----------------------------------------------------------------------------------

    @on(LineList.Chosen, "#clusters")
    async def _enter_cluster(self) -> None:
        await self._catch_up()  # the cursor is put to its first run with them
        self.set_focus(self._table("runs"))

    @on(LineList.Chosen, "#runs")
    async def _open(self) -> None:
        await self._catch_up()
        if (run := self._selected) is not None:
            self.navigation.open_trace(run.id)

    def can_act(self, action: str) -> bool:
        return action == "group" or self._selected is not None

    def action_group(self) -> None:
        """The next way to cluster."""
        from store.failures import GROUPINGS

        self._by = GROUPINGS[(GROUPINGS.index(self._by) + 1) % len(GROUPINGS)]
        self._table("clusters").move(0)
        self.action_reload()

    def action_step(self) -> None:
        """The prompts and replies of the step that went wrong, or again why the run failed."""
        self._shows_step = not self._shows_step
        self.read_store(self._load_peek, what="peek")

    async def action_watch(self) -> None:
        """Say when it happens again, or no longer."""
        await self._catch_up()
        key = self._table("clusters").selected
        if key is None or not self._runs:
            self.notify("Select a cluster first.")
            return
        watches = Watches(self.navigation.records, self.navigation.memory)
        watched = watches.toggle(self._by, key, self._runs[0].id)
        self.notify("You are told when it happens again." if watched else "No longer watched.")
        self.action_reload()

    # -- saying something of a run -----------------------------------------------------------------

    async def action_label(self) -> None:
        from engine.failures import LABELS

        await self._pick(
            "label", "Label this run; picking a label that it has removes it", LABELS, "a new label"
        )

    async def action_training_set(self) -> None:
        question = "Put this run into a training set, or remove it from one"
        await self._pick("training-set", question, {}, "a new set")

    async def _pick(self, kind: Kind, question: str, known: Mapping[str, str], own: str) -> None:
        """Have a name picked, from those in use and those that are known, and say it of the run."""
        from tui.screens.failures.rows import choices
        from tui.screens.pick.pick import PickScreen

        if (run := await self._one()) is None:
            return
        used = dict(await self.navigation.records.read(lambda r: r.annotations.values(kind)))
        its = {a.value for a in self._said.get(run.id, []) if a.kind == kind}

        def answered(name: str | None) -> None:
            if name is not None:
                self._say(run, kind, name, remove=name in its)

        self.app.push_screen(PickScreen(question, choices(its, used, known), own=own), answered)

    async def action_note(self) -> None:
        from tui.screens.ask.ask import AskScreen

        if (run := await self._one()) is None:
            return

        def answered(text: str | None) -> None:
            if text is not None:
                self._say(run, "note", text, remove=False)

        self.app.push_screen(AskScreen("Note on this run", draft=f"note:{run.id}"), answered)

    async def action_bookmark(self) -> None:
        if (run := await self._one()) is not None:
            has = any(a.kind == "bookmark" for a in self._said.get(run.id, []))
            self._say(run, "bookmark", "", remove=has)

    async def _one(self) -> RunRow | None:
        await self._catch_up()
        if self._selected is None:
            self.notify("Select a run first.")
        return self._selected

    def action_undo(self) -> None:
        """Take back what was said last, or say again what was taken away."""
        if not self._undo:
            self.notify("There is nothing to undo.")
            return
        run, kind, value, removed = self._undo.pop()
        what = " ".join(filter(None, (kind, one_line(value, 60))))
        self.notify(f"{what}: {'restored' if removed else 'removed'} on {one_line(run.problem_id, 80)}")
        self.run_worker(partial(self._write, run, kind, value, remove=not removed), group="say")

    def _say(self, run: RunRow, kind: Kind, value: str, *, remove: bool) -> None:
        self._undo.append((run, kind, value, remove))
        self.run_worker(partial(self._write, run, kind, value, remove=remove), group="say")

    async def _write(self, run: RunRow, kind: Kind, value: str, *, remove: bool) -> None:
        from store.annotations import annotate, unannotate
        from store.errors import StoreError

        path = self.navigation.workbench.store_path
        change = unannotate if remove else annotate
        try:
            await asyncio.to_thread(change, path, [run.id], kind, value)
        except StoreError as error:
            self.notify(one_line(str(error), 300), severity="error")
            return
        if kind == "note":
            self.navigation.memory.drop_draft(f"note:{run.id}")
        await self._load()

    # -- training on them --------------------------------------------------------------------------

    async def action_train(self) -> None:
        """Put the cluster's runs into a training set, build a data set of it, and fill in a job."""
        from tui.screens.ask.ask import AskScreen

        await self._catch_up()
        run_ids = [run.id for run in self._runs]
        if not run_ids:
            self.notify("There is no run here.")
            return

        def named(name: str | None) -> None:
            if name is not None:
                self.run_worker(partial(self._train_on, run_ids, name), group="say")

        question = f"Training set for these {plural(len(run_ids), 'run')}"
        self.app.push_screen(AskScreen(question, hint="Next, a data set is built from it."), named)

    async def _train_on(self, run_ids: list[str], name: str) -> None:
        from store.annotations import annotate
        from store.errors import StoreError

        try:
            await asyncio.to_thread(
                annotate, self.navigation.workbench.store_path, run_ids, "training-set", name
            )
        except StoreError as error:
            self.notify(one_line(str(error), 300), severity="error")
            return
        await self._load()
        self.navigation.open_dataset(wanted=f"training-set:{name}", kind="repair")

    # -- doing runs again --------------------------------------------------------------------------

    async def action_rerun(self) -> None:
        if (run := await self._one()) is not None:
            self._rerun([run.id])

    async def action_rerun_cluster(self) -> None:
        from tui.reports.failures import handle
        from tui.screens.confirm.confirm import ConfirmScreen

        await self._catch_up()
        run_ids = [run.id for run in self._runs[:MOST_RERUNS]]
        if not run_ids:
            self.notify("There is no run here.")
            return
        part = "the newest " if len(run_ids) < len(self._runs) else ""
        question = f"Run {part}{plural(len(run_ids), 'run')} of this cluster again?"
        if part and self._read is not None and self._read[1] is not None:
            question += f" All of them: flowreasoner rerun --cluster {handle(self._read[1])}"
        self.app.push_screen(
            ConfirmScreen(question, "Run them", "Leave it"), lambda yes: self._rerun(run_ids) if yes else None
        )

    async def action_fork_cluster(self) -> None:
        """Fork the cluster's newest runs with one edit, made on the selected one."""
        from tui.screens.failures.edit_all import fork_all

        if (run := await self._one()) is not None:
            others = [other for other in self._runs if other.id != run.id]
            runs = [run, *others[: MOST_RERUNS - 1]]
            self.navigation.open_after(partial(fork_all, self, run, runs))

    def action_forks(self) -> None:
        if (key := self._table("clusters").selected) is not None:
            open_forks_of(self, self._by, key)

    def _rerun(self, run_ids: list[str]) -> None:
        self.run_worker(partial(start_again, self, run_ids), group="rerun")
