"""Home: what runs now, what ran last, what went wrong, and what is set up."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from tui.actions import bindings_for
from tui.run_rows import ACTIVE_COLUMNS, FAILURE_COLUMNS, RECENT_COLUMNS, active_row, failure_row, recent_row
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.home.progress import NARROW_POINTS, POINTS, PROGRESS_COLUMNS, progress_rows
from tui.watching import Watches
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from engine.experiments.standing import Standing
    from store.experiment_progress import ExperimentProgress
    from tui.service.jobs.standing import JobStanding

RECENT = 50
STORE_SECONDS = 2.0
PROGRESS_SECONDS = 10.0  # all trials of an experiment are read for it: 0.7 s where there are 100,000


_NOTHING = "Nothing is running."
_EXAMPLE = "r, then Enter: the bundled example"


class HomeScreen(WorkbenchScreen[None]):
    """The first screen. It paints before the store is opened."""

    BINDINGS = bindings_for("home")

    def __init__(self) -> None:
        super().__init__(name="home")
        self._experiments: list[Standing] = []
        self._jobs: list[JobStanding] = []
        self._progress: ExperimentProgress | None = None  # of an experiment in progress, else of the newest
        self._progress_due, self._progress_at = False, 0.0
        self._first_pull: tuple[str, float] | None = None  # a model to begin with, while there is none

    def compose(self) -> ComposeResult:
        yield TitleBar("Home")
        with Horizontal(id="upper"):
            active = TableView(ACTIVE_COLUMNS, id="active", empty=f"{_NOTHING}\n{_EXAMPLE}")
            active.border_title = "Active"
            yield active
            setup = Static(id="setup", classes="box", markup=False)
            setup.border_title = "Set up"
            yield setup
        yield TableView(PROGRESS_COLUMNS, id="variants")
        with Vertical(id="lower"):
            recent = TableView(RECENT_COLUMNS, id="recent", empty="Reading the store …")
            recent.border_title = "Recent runs"
            yield recent
            failures = TableView(FAILURE_COLUMNS, id="failures")
            failures.border_title = "Last failures"
            yield failures
        yield Footer()

    def on_mount(self) -> None:
        self._show_setup()
        self._sync_active()
        self.set_focus(self.query_one("#recent"))
        self.set_interval(max(self.navigation.tick, 0.5), self._sync_active)
        self.set_interval(STORE_SECONDS, self._reread)
        self._watches = Watches(self.navigation.records, self.navigation.memory)
        self.set_interval(STORE_SECONDS, self._look_at_watched)  # whatever is on the screen

    def on_screen_resume(self) -> None:
        self._sync_active()
        self._show_setup()
        # The store is a large import and a file; neither may delay the first frame.
        self.call_after_refresh(self._read)

    def _read(self) -> None:
        self.read_store(partial(self._load, force=True))

    def _reread(self) -> None:
        if self.is_current:
            self.read_store(partial(self._load, force=False), again=False)

    def _look_at_watched(self) -> None:
        def tell(text: str) -> None:
            self.notify(text, severity="warning", timeout=15, markup=False)

        self.read_store(partial(self._watches.look, tell), what="watched", again=False)

    async def _load(self, *, force: bool) -> None:
        from store.errors import StoreError

        records = self.navigation.records
        # At once: they may be gone, with the app, by the time the store has answered.
        recent, failures = self.query_one("#recent", TableView), self.query_one("#failures", TableView)
        variants = self.query_one("#variants", TableView)
        if force and self.navigation.workbench.has_settings:
            self._first_pull = await asyncio.to_thread(self.navigation.workbench.first_pull)
            self._show_what_to_do()
        self._experiments = await self.navigation.engines.standings()
        self._jobs = await self._jobs_going_on() if self.navigation.workbench.has_settings else []
        try:
            if changed := await records.changed() or force:
                newest = await records.runs(limit=RECENT)
                failed = await records.runs(failed=True, limit=RECENT)
                recent.empty = "No run yet. They will be listed here, newest first."
                recent.show([recent_row(run) for run in newest.rows])
                recent.refresh()
                failures.empty = "No run has gone wrong."
                failures.show([failure_row(run) for run in failed.rows])
                failures.refresh()
        except StoreError as error:
            recent.empty = f"The store cannot be read: {one_line(str(error), 200)}"
            recent.refresh()
            return
        self._progress_due = self._progress_due or changed
        await self._load_progress(variants, at_once=force)

    def _show_what_to_do(self) -> None:
        """What to begin with, while nothing runs; how to get a real model, while only the embedded pair is
        there.
        """
        active = self.query_one("#active", TableView)
        active.empty = f"{_NOTHING}\n{_EXAMPLE}"
        if self._first_pull is not None:
            name, gigabytes = self._first_pull
            offer, command = f"Want a real model? {gigabytes:g} GB:", f"flowreasoner models pull {name}"
            if self.has_class("-short") and self.has_class("-narrow") and self.has_class("-experiment"):
                active.empty = f"{_NOTHING}  {_EXAMPLE}\n{offer} {command}"  # two lines are all there is
            else:
                active.empty += f"\n{offer}\n{command}"
        active.refresh()

    async def _load_progress(self, table: TableView, *, at_once: bool) -> None:
        name = self._experiments[0].experiment if self._experiments else None
        is_other = name is not None and (self._progress is None or self._progress.name != name)
        now = self.navigation.clock()
        if at_once or is_other or (self._progress_due and now - self._progress_at >= PROGRESS_SECONDS):
            self._progress_due, self._progress_at = False, now
            self._progress = await self.navigation.records.read(
                lambda reader: reader.experiments.progress(name, points=POINTS)
            )
            self._show_progress(table)

    def _show_progress(self, table: TableView) -> None:
        progress = self._progress
        self.set_class(progress is not None, "-experiment")
        self._show_what_to_do()
        if progress is not None:
            name = one_line(progress.name, 40).replace("[", "\\[")
            table.border_title = f"Variants of {name}: pass rate and cost as trials ended"
            table.show(progress_rows(progress, NARROW_POINTS if self.has_class("-narrow") else POINTS))

    def on_resize(self) -> None:
        # Once it is known whether it is narrow.
        self.call_after_refresh(self._show_progress, self.query_one("#variants", TableView))

    async def _jobs_going_on(self) -> list[JobStanding]:
        from sandbox.errors import ExpectedError

        try:
            return [job for job in await self.navigation.jobs.standings() if job.is_going_on]
        except ExpectedError:
            return []  # the store says the same of the recent runs

    def _sync_active(self) -> None:
        if not self.is_current:
            return
        sessions = self.navigation.engines.sessions
        rows = [
            active_row(n, s, self.navigation.stalls.told(s))
            for n, s in enumerate(sessions)
            if not s.state.finished
        ]
        if self._experiments:
            from tui.screens.experiments.rows import active_row as experiment_row

            rows = [*map(experiment_row, self._experiments), *rows]
        if self._jobs:
            from tui.screens.training.rows import active_row as job_row

            rows = [*map(job_row, self._jobs), *rows]
        active = self.query_one("#active", TableView)
        active.show(rows)
        active.tell(self._gpus())
        self.set_class(bool(rows), "-busy")
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note

    def _gpus(self) -> str:
        """What is known of the GPUs of other hosts; "" where none is set up."""
        if not self.navigation.workbench.has_settings or not self.navigation.jobs.hosts:
            return ""
        from tui.screens.hosts.job_hosts import gpus_note

        return gpus_note(self.navigation.jobs)

    def settings_read(self) -> None:
        """The settings are there: show what waited for them."""
        self._show_setup()
        if self.is_current:
            self._read()

    def _show_setup(self) -> None:
        workbench = self.navigation.workbench
        settings = workbench.settings if workbench.has_settings else None
        facts = [
            ("Variant", settings.variant if settings else "…"),
            ("Meta-agent", settings.meta_agent if settings else "…"),
            ("Worker", settings.worker if settings else "…"),
            ("Sandbox", workbench.sandbox_note or "opened by the first run"),
            ("Store", _short(str(workbench.store_path))),
        ]
        lines: list[Content | tuple[str, str]] = []
        for name, value in facts:
            lines += [(f"{name:<12}", "$foreground 60%"), (one_line(value, 120), ""), ("\n", "")]
        self.query_one("#setup", Static).update(Content.assemble(*lines[:-1]))

    @on(LineList.Chosen)
    def _open(self, event: LineList.Chosen) -> None:
        table = event.view
        if not isinstance(table, TableView) or table.selected is None:
            return
        if table.id == "variants" and self._progress is not None:
            self.navigation.open_experiments(self._progress.name)
        elif table.selected.startswith("experiment:"):
            self.navigation.open_experiments(table.selected.removeprefix("experiment:"))
        elif table.selected.startswith("job:"):
            self.navigation.open_job(table.selected.removeprefix("job:"))
        elif table.id == "active":
            self.navigation.open_session(self.navigation.engines.sessions[int(table.selected)])
        else:
            self.navigation.open_trace(table.selected)


def _short(path: str) -> str:
    """A path that fits a line: its end matters more than its start."""
    from pathlib import Path

    home = str(Path.home())
    path = f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
    return path if len(path) <= 44 else f"…{path[-43:]}"
