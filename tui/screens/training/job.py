"""One job: its curves, the rollouts of a step, its log, events, checkpoints and recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.widgets import ContentSwitcher, Input, Static

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.jobs.curves import matching
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.training.checkpoints_pane import CheckpointsPane
from tui.screens.training.control import JobControl
from tui.screens.training.events_pane import EventsPane
from tui.screens.training.log_pane import LogPane
from tui.screens.training.plots_pane import Overlaid, PlotsPane
from tui.screens.training.recipe_pane import RecipePane
from tui.screens.training.rollouts_pane import RolloutsPane
from tui.screens.training.rows import age, state_words, steps
from tui.widgets.candidates_view import CandidatesView
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.tab_strip import TabStrip
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.experiment_reader import ExperimentRow
    from training.jobs.directory import Checkpoint
    from tui.service.jobs.standing import JobStanding

REREAD_S = 1.0
TABS = ("Curves", "Rollouts", "Log", "Events", "Checkpoints", "Recipe")
# What takes the focus in each tab, in the order of TABS.
_FOCUS = ("#curves", "#groups", "#log", "#events", "#checkpoints", "#recipe")


class JobScreen(WorkbenchScreen[None]):
    """Reads the tab that is shown anew each second. `beside` are jobs whose curves lie under this one's."""

    CSS_PATH = "job.tcss"
    BINDINGS = bindings_for("job")

    def __init__(self, job_id: str, beside: Sequence[str] = ()) -> None:
        super().__init__(name="job")
        self._id = job_id
        self._overlaid = [job_id, *beside]  # the first is pinned: on top
        self._job: JobStanding | None = None
        self._follows = False
        self._tab = TABS[0]
        self._checkpoints: list[Checkpoint] = []
        self._experiments: list[ExperimentRow] = []
        self._newest = -1  # event in the store when the experiments were read

    def compose(self) -> ComposeResult:
        yield TitleBar("Training")
        yield TabStrip(TABS, id="tabs")
        yield Static(id="standing", markup=False)
        yield Input(id="filter", compact=True)
        with ContentSwitcher(id="panes", initial="curves"):
            yield PlotsPane(id="curves")
            yield RolloutsPane(id="rollouts")
            yield LogPane(id="log-pane")
            yield EventsPane(id="events-pane")
            yield CheckpointsPane(id="checkpoints-pane")
            yield RecipePane(id="recipe-pane")
        yield Footer()

    def on_mount(self) -> None:
        self._show(self._id)
        self.set_focus(self.query_one("#curves"))
        self.set_interval(REREAD_S, self._reread)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()

    def _show(self, job_id: str) -> None:
        """Show another job from now on."""
        self._id = job_id
        self.query_one(LogPane).follow(self.navigation.jobs.folder_of(job_id) / "log")

    @property
    def _control(self) -> JobControl:
        return JobControl(self, self.action_reload)

    # -- reading -----------------------------------------------------------------------------------

    def action_reload(self) -> None:
        self.run_worker(self._load, group="jobs", exclusive=True)

    def _reread(self) -> None:
        reading = any(w.group == "jobs" and not w.is_finished for w in self.workers)
        if self.is_current and not reading:
            self.action_reload()

    async def _load(self) -> None:
        try:
            jobs = {job.row.id: job for job in await self.navigation.jobs.standings()}
            if self._follows and jobs and next(iter(jobs)) != self._id:
                self._overlaid = [next(iter(jobs)), *self._overlaid[1:]]
                self._show(next(iter(jobs)))
            self._job = jobs.get(self._id)
            self._show_standing()
            await self._load_checkpoints()
            await self._load_tab(jobs)
            self.refresh_bindings()  # what of the footer's keys can do something now
        except ExpectedError as error:
            self.query_one("#standing", Static).update(one_line(str(error), 300))

    async def _load_checkpoints(self) -> None:
        """The checkpoints, and where there are any, the experiments one may have been tried in."""
        records = self.navigation.records
        self._checkpoints = await self.navigation.jobs.checkpoints(self._id)
        if self._checkpoints:
            newest = await records.read(lambda reader: reader.newest_event())
            if newest != self._newest:
                self._experiments, self._newest = await records.experiments(), newest

    async def _load_tab(self, jobs: dict[str, JobStanding]) -> None:
        records, service = self.navigation.records, self.navigation.jobs
        match self._tab:
            case "Curves":
                shown = [jobs[id] for id in self._overlaid if id in jobs]
                layers = [Overlaid(j.row.id, j.row.name, j.row.begun_at or j.row.created_at) for j in shown]
                await self.query_one(PlotsPane).load(records, layers)
            case "Rollouts":
                await self.query_one(RolloutsPane).load(records, self._id)
            case "Log":
                await self.query_one(LogPane).load()
            case "Events":
                id = self._id
                self.query_one(EventsPane).show(await records.read(lambda r: r.jobs.events(id)))
            case "Checkpoints":
                self.query_one(CheckpointsPane).show(self._id, self._checkpoints)
            case _:
                parent = self._job.row.parent if self._job else None
                folder = service.folder_of(parent) if parent else None
                await self.query_one(RecipePane).load(service.folder_of(self._id), folder)

    def _show_standing(self) -> None:
        job, title = self._job, self.query_one(TitleBar)
        if job is None:
            title.crumb = f"Training › {self._id}"
            self.query_one("#standing", Static).update("This job no longer exists.")
            return
        title.crumb = f"Training › {one_line(job.row.name, 60)}"
        heard = f"heard {age(job)} ago" if age(job) else ""
        told = (state_words(job), f"step {steps(job)}" * bool(steps(job)), heard, job.trouble)
        follows = "follows the newest job" if self._follows else ""
        line = " · ".join(part for part in (*told, follows) if part)
        self.query_one("#standing", Static).update(one_line(line, 300))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the tab has a use for."""
        if action == "filter":
            return self._tab in ("Curves", "Log")
        if action in ("earlier", "later"):
            return self._tab in ("Curves", "Rollouts")
        return action != "newest" or self._tab == "Rollouts"

    def can_act(self, action: str) -> bool:
        step = self._selected_step
        match action:
            case "stop":
                return self._job is not None and self._job.is_going_on
            case "evaluate":
                return step is not None
            case "compare":
                if step is None or self._job is None:
                    return False
                return bool(self._control.comparison(self._job, step, self._experiments, self._checkpoints))
            case "later":
                pane = RolloutsPane if self._tab == "Rollouts" else PlotsPane
                return self.query_one(pane).pages > 1
            case _:
                return True

    # -- tabs --------------------------------------------------------------------------------------

    def action_next_tab(self) -> None:
        self.show_tab(self.query_one("#tabs", TabStrip).beside(1))

    def action_previous_tab(self) -> None:
        self.show_tab(self.query_one("#tabs", TabStrip).beside(-1))

    @on(TabStrip.Picked)
    def _pick(self, event: TabStrip.Picked) -> None:
        self.show_tab(event.name)

    def widen(self) -> bool:
        box = self.query_one("#filter", Input)
        if narrowed := box.display or bool(self._pattern):
            self._keep("")
            box.display = False
        return narrowed

    def show_tab(self, name: str) -> None:
        """Go to the tab of this name."""
        self._tab = self.query_one("#tabs", TabStrip).active = name
        at = TABS.index(name)
        switcher = self.query_one("#panes", ContentSwitcher)
        switcher.current = [child.id for child in switcher.children][at]
        self.set_focus(self.query_one(_FOCUS[at]))
        self.query_one("#filter").display = False
        self.refresh_bindings()
        self.action_reload()

    # -- what each tab can do ----------------------------------------------------------------------

    @on(PlotsPane.Turned)
    def _turned(self) -> None:
        self.action_reload()

    def action_pin(self) -> None:
        """Put the next of the overlaid jobs on top."""
        if len(self._overlaid) > 1:
            self._overlaid = [*self._overlaid[1:], self._overlaid[0]]
            self.action_reload()
        else:
            self.notify("In the list of jobs, mark others with space to see their curves behind this one's.")

    def action_filter(self) -> None:
        """Ask which metrics, or lines of the log, to keep."""
        box = self.query_one("#filter", Input)
        curves = self._tab == "Curves"
        box.placeholder = "Metrics, as in loss|reward" if curves else "Lines, as in error|warning"
        box.value = self._pattern
        box.display = True
        self.set_focus(box)

    @on(Input.Submitted, "#filter")
    def _filtered(self, event: Input.Submitted) -> None:
        pattern = event.value.strip()
        try:
            matching((), pattern)
        except ValueError as error:
            self.notify(one_line(str(error), 200), severity="warning")
            return
        self._keep(pattern)
        event.input.display = False

    @property
    def _pattern(self) -> str:
        """What the curves, or the lines of the log, are filtered by."""
        match self._tab:
            case "Curves":
                return self.query_one(PlotsPane).view.pattern
            case "Log":
                return self.query_one(LogPane).pattern
            case _:
                return ""

    def _keep(self, pattern: str) -> None:
        """Filter by this from now on, and go back to what is filtered."""
        match self._tab:
            case "Curves":
                self.query_one(PlotsPane).keep(pattern)
            case "Log":
                self.query_one(LogPane).pattern = pattern
        self.set_focus(self.query_one(_FOCUS[TABS.index(self._tab)]))
        self.action_reload()

    def action_earlier(self) -> None:
        self._to_step(-1)

    def action_later(self) -> None:
        self._to_step(1)

    def _to_step(self, by: int) -> None:
        if self._tab == "Rollouts":
            self.query_one(RolloutsPane).to_step(by)
            self.action_reload()
        elif self._tab == "Curves":
            self.query_one(PlotsPane).turn(by)

    def action_newest(self) -> None:
        self.query_one(RolloutsPane).to_newest()
        self.action_reload()

    def action_follow(self) -> None:
        """Go to every new job as it begins, or stay with this one."""
        self._follows = not self._follows
        self.action_reload()

    @on(CandidatesView.Chosen)
    def _open_run(self, event: CandidatesView.Chosen) -> None:
        run_id = event.candidate.run_id
        if run_id is None or not event.candidate.is_stored:
            self.notify("Its run is not in the store yet; a job's runs appear there once they have ended.")
        else:
            self.navigation.open_trace(run_id)

    # -- checkpoints -------------------------------------------------------------------------------

    @on(LineList.Chosen, "#checkpoints")
    def action_evaluate(self) -> None:
        """Fill in an experiment of the checkpoint against its base."""
        self.run_worker(self._evaluate, group="evaluate", exclusive=True)

    async def _evaluate(self) -> None:
        if (step := await self._step()) is not None and self._job is not None:
            await self._control.evaluate(self._job, step)

    def action_serve(self) -> None:
        """Serve the checkpoint as a model."""
        self.run_worker(self._serve, group="evaluate", exclusive=True)

    async def _serve(self) -> None:
        if (step := await self._step()) is not None and self._job is not None:
            self._control.serve(self._job, step)

    def action_compare(self) -> None:
        """Open the comparison of the checkpoint with its base."""
        self.run_worker(self._compare, group="evaluate", exclusive=True)

    async def _compare(self) -> None:
        if (step := await self._step()) is not None and self._job is not None:
            await self._control.compare(self._job, step)

    async def _step(self) -> int | None:
        """The checkpoint that is meant; None after saying that there is none."""
        self._checkpoints = await self.navigation.jobs.checkpoints(self._id)
        if (step := self._selected_step) is None:
            self.notify("This job has no checkpoint here yet.")
        return step

    @property
    def _selected_step(self) -> int | None:
        """The checkpoint under the cursor, elsewhere than among checkpoints the newest."""
        if self._tab == "Checkpoints" and (step := self.query_one(CheckpointsPane).selected) is not None:
            return step
        return self._checkpoints[0].step if self._checkpoints else None

    @on(LineList.Highlighted, "#checkpoints")
    def _moved(self) -> None:
        self.refresh_bindings()

    # -- control -----------------------------------------------------------------------------------

    def action_stop(self) -> None:
        if self._job is not None:
            self._control.stop(self._job)

    def action_resume(self) -> None:
        if self._job is not None:
            self._control.resume(self._job)

    def action_clone(self) -> None:
        self.navigation.open_launch(parent=self._id)
