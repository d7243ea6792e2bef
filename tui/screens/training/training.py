"""Every training job: how it stands, what it reports, where its time goes, and its most telling curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.jobs.curves import PlotView, curve
from tui.marks import Marks
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.training.control import JobControl
from tui.screens.training.rows import JOB_COLUMNS, facts, job_row, time_bar
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.metric_plot import Layer, MetricPlot
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.reader import Reader
    from tui.service.jobs.standing import JobStanding

REREAD_S = 1.0
EMPTY = "No job yet.\nn starts one: a recipe on a data set, in the background."
_TELLING = ("reward_mean", "loss")


class TimeBar(Static):
    """Where the time of a job's newest step goes, as wide as there is room for."""

    _job: JobStanding | None = None

    def show(self, job: JobStanding | None) -> None:
        self._job = job
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        bar, legend = time_bar(self._job.row.latest, self.content_region.width) if self._job else ([], [])
        if not bar:
            self.update(Content.styled("No step has reported yet." if self._job else "", "$foreground 60%"))
            return
        rows = (
            [(text, "$foreground 60%" if ink == "muted" else f"${ink}" * bool(ink)) for text, ink in row]
            for row in (bar, legend)
        )
        self.update(Content.assemble(*next(rows), ("\n", ""), *next(rows)))


class TrainingScreen(WorkbenchScreen[None]):
    """What the jobs' folders say, read anew each second while the screen is in view."""

    CSS_PATH = "training.tcss"
    BINDINGS = bindings_for("training")

    def __init__(self, selected: str | None = None) -> None:
        super().__init__(name="training")
        self._wanted = selected
        self._jobs: dict[str, JobStanding] = {}
        self._marks = Marks()

    def compose(self) -> ComposeResult:
        yield TitleBar("Training")
        yield TableView(JOB_COLUMNS, id="jobs", empty="Reading the jobs …")
        with Horizontal(id="below"):
            with Vertical(id="about"):
                yield Static(id="facts", classes="box", markup=False)
                yield TimeBar(id="time", classes="box", markup=False)
            yield MetricPlot(id="curve")
        yield Footer()

    def on_mount(self) -> None:
        self._table.border_title = "Jobs"
        self.query_one("#facts").border_title = "Job"
        self.query_one("#time").border_title = "Where the time goes"
        self.set_focus(self._table)
        self.set_interval(REREAD_S, self._reread)

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()

    @property
    def _table(self) -> TableView:
        return self.query_one("#jobs", TableView)

    @property
    def _selected(self) -> JobStanding | None:
        return self._jobs.get(self._table.selected or "")

    def select(self, job_id: str | None) -> None:
        """Move the cursor to a job, as soon as it is in the list."""
        self._wanted = job_id
        self.action_reload()

    # -- reading -----------------------------------------------------------------------------------

    def action_reload(self) -> None:
        self.run_worker(self.with_keys_held(self._load), group="jobs", exclusive=True)

    def _reread(self) -> None:
        # What is being read is not cut off by the next look.
        reading = any(w.group == "jobs" and not w.is_finished for w in self.workers)
        if self.is_current and not reading:
            self.action_reload()

    async def _load(self) -> None:
        try:
            found = await self.navigation.jobs.standings()
        except ExpectedError as error:
            self._table.empty = f"The jobs cannot be read: {one_line(str(error), 200)}"
            self._table.show([])
            self._table.refresh()
            return
        self._jobs = {job.row.id: job for job in found}
        self._table.empty = EMPTY
        self._table.show([job_row(job, marked=id in self._marks.keys) for id, job in self._jobs.items()])
        if self._wanted in self._jobs:
            self._table.move(list(self._jobs).index(self._wanted or ""))
            self._wanted = None
        problems = self.navigation.jobs.problems
        self._table.tell(one_line(problems[0], 100) if problems else "")
        self._table.refresh()
        await self._show_selected()

    @on(LineList.Highlighted, "#jobs")
    def _moved(self) -> None:
        self.run_worker(self._show_selected, group="selected", exclusive=True)

    async def _show_selected(self) -> None:
        job = self._selected
        self._show_facts(job)
        self.refresh_bindings()
        plot = self.query_one("#curve", MetricPlot)
        name = next((n for n in _TELLING if job and n in job.row.latest), None)
        if job is None or name is None:
            plot.show("", (), PlotView())
            return
        id, begun = job.row.id, job.row.begun_at or 0.0

        def read(reader: Reader) -> Layer:
            return Layer(curve(reader.jobs.series(id, name, 400), PlotView(), begun), 0)

        plot.show(name, (await self.navigation.records.read(read),), PlotView())

    def _show_facts(self, job: JobStanding | None) -> None:
        box = self.query_one("#facts", Static)
        lines: list[Content | tuple[str, str]] = []
        for name, value in facts(job) if job else ():
            ink = "$text-warning" if name in ("Trouble", "Alert", "Damaged") else ""
            lines += [(f"{name:<9}", "$foreground 60%"), (value, ink), ("\n", "")]
        box.update(Content.assemble(*lines[:-1]))
        box.border_title = one_line(job.row.name, 40) if job else "Job"
        self.query_one("#time", TimeBar).show(job)

    # -- opening -----------------------------------------------------------------------------------

    @on(LineList.Chosen, "#jobs")
    def _open(self) -> None:
        if (job := self._selected) is not None:
            beside = [id for id in self._marks.keys if id != job.row.id and id in self._jobs]
            self.navigation.open_job(job.row.id, beside)

    def can_act(self, action: str) -> bool:
        job = self._selected
        match action:
            case "new":
                return True
            case "stop":
                return job is not None and job.is_going_on
            case "resume":
                return job is not None and job.is_resumable
            case _:
                return job is not None

    def action_mark(self) -> None:
        if (job := self._selected) is not None:
            self._marks.toggle(job.row.id)
            self._table.show([job_row(j, marked=id in self._marks.keys) for id, j in self._jobs.items()])
            self._table.action_down()

    def action_new(self) -> None:
        self.navigation.open_launch()

    def action_clone(self) -> None:
        if (job := self._selected) is not None:
            self.navigation.open_launch(parent=job.row.id)

    # -- control -----------------------------------------------------------------------------------

    def action_stop(self) -> None:
        self._control(JobControl.stop)

    def action_resume(self) -> None:
        self._control(JobControl.resume)

    def action_fetch(self) -> None:
        self._control(JobControl.fetch)

    def action_remove(self) -> None:
        self._control(JobControl.remove)

    def _control(self, act: Callable[[JobControl, JobStanding], None]) -> None:
        if (job := self._selected) is not None:
            act(JobControl(self, self.action_reload), job)
