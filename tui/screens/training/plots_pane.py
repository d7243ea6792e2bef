"""The curves of a job, those of other jobs behind them, several metrics a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from tui.actions import bindings_for
from tui.jobs.curves import Curve, PlotView, curve, extent, matching, ordered
from tui.safe import one_line
from tui.theme import SERIES
from tui.widgets.metric_plot import Layer, MetricPlot

if TYPE_CHECKING:
    from store.jobs.reading import Point
    from store.reader import Reader
    from tui.service.records import Records

MOST_PLOTS = 9
# A plot narrower or lower than this says nothing.
_WIDTH, _HEIGHT = 38, 9
_POINTS = 1000


@dataclass(frozen=True)
class Overlaid:
    """A job whose curves are shown: its name, and when it began (Unix seconds)."""

    id: str
    name: str
    begun_at: float


class PlotsPane(Vertical, can_focus=True):
    """`jobs` are drawn over each other, the first on top; the screen's keys change `view`."""

    BINDINGS = bindings_for("curves")
    view: reactive[PlotView] = reactive(PlotView())

    class Turned(Message):
        """Other metrics are to be shown; they have to be read."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.jobs: tuple[Overlaid, ...] = ()
        self._names: list[str] = []
        self._points: dict[str, dict[str, list[Point]]] = {}
        self._extent: tuple[float, float] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="legend", markup=False)
        with Grid(id="grid"):
            for number in range(MOST_PLOTS):
                yield MetricPlot(id=f"plot-{number}")

    # -- what is shown -----------------------------------------------------------------------------

    async def load(self, records: Records, jobs: Sequence[Overlaid]) -> None:
        """Read the curves of `jobs` that are in view, and draw them."""
        self.jobs = tuple(jobs)
        ids = [job.id for job in jobs]
        self._names = ordered(await records.read(lambda reader: reader.jobs.metrics(ids)))
        shown = self._on_page(self._wanted())

        def read(reader: Reader) -> dict[str, dict[str, list[Point]]]:
            return {name: {id: reader.jobs.series(id, name, _POINTS) for id in ids} for name in shown}

        self._points = await records.read(read)
        self._draw()

    def _wanted(self) -> list[str]:
        return matching(self._names, self.view.pattern)

    @property
    def _fits(self) -> tuple[int, int]:
        """How many columns and rows of plots there is room for."""
        columns = min(max(self.size.width // _WIDTH, 1), 3)
        rows = min(max((self.size.height - 1) // _HEIGHT, 1), 3)
        return columns, rows

    @property
    def pages(self) -> int:
        columns, rows = self._fits
        return max(-(-len(self._wanted()) // (columns * rows)), 1)

    def _on_page(self, names: list[str]) -> list[str]:
        columns, rows = self._fits
        first = min(self.view.page, self.pages - 1) * columns * rows
        return names[first : first + columns * rows]

    def _draw(self) -> None:
        names = self._on_page(self._wanted())
        curves = {name: [self._curve(name, job) for job in self.jobs] for name in names}
        whole = replace(self.view, window=None)
        self._extent = extent(
            curve(self._points.get(name, {}).get(job.id, []), whole, job.begun_at)
            for name in names
            for job in self.jobs
        )
        columns, rows = self._fits
        grid = self.query_one("#grid", Grid)
        grid.styles.grid_size_columns = min(columns, max(len(names), 1))
        grid.styles.grid_size_rows = min(rows, max(-(-len(names) // columns), 1))
        for number in range(MOST_PLOTS):
            plot = self.query_one(f"#plot-{number}", MetricPlot)
            plot.display = number < len(names)
            if number < len(names):
                layers = [Layer(c, at) for at, c in enumerate(curves[names[number]])]
                plot.show(names[number], layers, self.view)
        self.query_one("#legend", Static).update(self._legend())

    def _curve(self, name: str, job: Overlaid) -> Curve:
        return curve(self._points.get(name, {}).get(job.id, []), self.view, job.begun_at)

    def _legend(self) -> Content:
        if not self._names:
            return Content.styled("No step yet. Curves appear with the first one.", "$foreground 60%")
        parts: list[Content | tuple[str, str]] = []
        for at, job in enumerate(self.jobs):
            colour = SERIES[at % len(SERIES)]
            parts += [("● ", f"${colour}"), (one_line(job.name, 24), ""), ("  ", "")]
        page = f"page {min(self.view.page, self.pages - 1) + 1} of {self.pages}" if self.pages > 1 else ""
        said = " · ".join(part for part in (page, self.view.summary) if part)
        where = ""
        if self.view.cursor is not None:
            unit = "s" if self.view.axis == "time" else ""
            where = f" · at {self.view.axis} {self.view.cursor:.0f}{unit}"
        return Content.assemble(*parts, (said + where, "$foreground 60%"))

    def can_act(self, action: str) -> bool:
        """Whether there is a curve to look at otherwise."""
        return bool(self._names)

    # -- how it is looked at -----------------------------------------------------------------------

    def keep(self, pattern: str) -> None:
        """Show only the metrics whose names have this in them."""
        self.view = replace(self.view, pattern=pattern, page=0)

    def turn(self, by: int) -> None:
        """Turn pages, around the end."""
        self.view = replace(self.view, page=(min(self.view.page, self.pages - 1) + by) % self.pages)
        self.post_message(self.Turned())

    def _look(self, view: PlotView) -> None:
        """Look at it otherwise; what is in view already is drawn at once."""
        self.view = view
        self._draw()

    def action_log(self) -> None:
        self._look(replace(self.view, log=not self.view.log))

    def action_smooth(self) -> None:
        self._look(self.view.smoother())

    def action_axis(self) -> None:
        self._look(self.view.other_axis())

    def action_zoom_in(self) -> None:
        self._zoom(0.5)

    def action_zoom_out(self) -> None:
        self._zoom(2.0)

    def action_zoom_all(self) -> None:
        self._look(replace(self.view, window=None, cursor=None))

    def _zoom(self, factor: float) -> None:
        if (whole := self._extent) is not None:
            self._look(self.view.zoomed(factor, whole))

    def action_inspect_left(self) -> None:
        self._inspect(-1 / 40)

    def action_inspect_right(self) -> None:
        self._inspect(1 / 40)

    def _inspect(self, by: float) -> None:
        if (whole := self._extent) is not None:
            self._look(self.view.moved(by, whole))

    def on_resize(self) -> None:
        # There may be room for other plots now.
        self.post_message(self.Turned())
