"""A comparison's charts, drawn with characters: places and lines by plotext, bars as text."""

from __future__ import annotations

import math

from rich.cells import cell_len
from textual.app import RenderResult
from textual.color import Color
from textual.content import Content
from textual.theme import Theme
from textual.widget import Widget
from textual_plotext import PlotextPlot

from tui.compare.cells import number
from tui.compare.charts import Chart, Series, beside
from tui.theme import SERIES
from tui.widgets.table_layout import middle

# The colours of the sides, and a mark of its own for each: told apart without colour too.
SIDES = tuple(zip(SERIES, "●◆■▲", strict=False))
_STEPS = 2  # labels on the axis of costs, besides the first
_MARGIN = 8  # cells of the width that are none of the axis
_BESIDE = 0.05  # of the axis: how far points of the same x stand apart
_VALUE = 7  # cells of a bar's value
_BAR = 8  # cells that the longest bar has at least: names are cut for it
Ink = tuple[int, int, int]


class ChartPlot(PlotextPlot):
    """Draws the chart it is shown, for the room it has."""

    DEFAULT_CSS = """
    ChartPlot {
        background: $surface;
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chart: Chart | None = None
        self.display = False

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._redraw)

    def on_resize(self) -> None:
        self._redraw()  # another width has room for other labels

    def _redraw(self, _: Theme | None = None) -> None:
        if self._chart is not None:
            self._draw(self._chart)
            self.refresh()

    def show(self, chart: Chart | None) -> None:
        """Draw this chart; None clears the place."""
        if chart == self._chart:
            return
        self._chart = chart
        self.display = chart is not None
        if chart is not None:
            self.border_title = chart.title
            self.border_subtitle = legend(chart)
            self._draw(chart)
        self.refresh()

    def _draw(self, chart: Chart) -> None:
        plot = self.plt
        plot.clear_figure()
        plot.frame(False)
        plot.grid(False, False)
        if len(chart.path) > 1:
            faint = self._ink(
                "foreground-muted" if "foreground-muted" in self.app.theme_variables else "panel"
            )
            plot.plot([p.x for p in chart.path], [p.y for p in chart.path], marker="braille", color=faint)
        left, right = _range(chart)
        for place, series in enumerate(beside(chart.series, (right - left) * _BESIDE)):
            self._points(series, place, joined=chart.kind == "lines")
        self._axes(chart)

    def _points(self, series: Series, place: int, *, joined: bool) -> None:
        colour, mark = SIDES[place % len(SIDES)]
        ink, plot = self._ink(colour), self.plt
        for point in series.points:
            if point.low is not None and point.high is not None:
                plot.plot([point.x, point.x], [point.low, point.high], marker="│", color=ink)
        xs, ys = [p.x for p in series.points], [p.y for p in series.points]
        if joined and len(xs) > 1:
            plot.plot(xs, ys, marker="braille", color=ink)
        if xs:
            plot.scatter(xs, ys, marker=mark, color=ink)

    def _axes(self, chart: Chart) -> None:
        plot = self.plt
        xs = [p.x for series in chart.series for p in series.points]
        low, high = min(xs), max(xs)
        plot.xlim(*_range(chart))
        if chart.kind == "lines":
            labels = {place: f"{place:.0f}" for place in sorted(set(xs))}
        else:
            places = [low + (high - low) * step / _STEPS for step in range(_STEPS + 1)]
            labels = {place: number(chart.x[1], place) for place in places}
        # Of labels that overlap, plotext leaves out any: one in so many has room.
        room = (self.size.width - _MARGIN) // (max(map(cell_len, labels.values())) + 1)
        every = math.ceil((len(labels) - 1) / max(room - 1, 1)) or 1
        shown = dict(list(labels.items())[::every])
        plot.xticks(list(shown), list(shown.values()))
        plot.ylim(0.0, 1.0)
        plot.yticks([0.0, 0.25, 0.5, 0.75, 1.0], [f"{share} % " for share in (0, 25, 50, 75, 100)])

    def _ink(self, name: str) -> Ink:
        return Color.parse(self.app.theme_variables[name]).rgb


class BarChart(Widget):
    """Lying bars, the sides of a category under each other, each with its value."""

    DEFAULT_CSS = """
    BarChart {
        background: $surface;
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chart: Chart | None = None
        self.display = False

    def show(self, chart: Chart | None) -> None:
        """Draw this chart; None clears the place."""
        self._chart = chart
        self.display = chart is not None
        if chart is not None:
            self.border_title, self.border_subtitle = chart.title, legend(chart)
        self.refresh()

    def render(self) -> RenderResult:
        chart = self._chart
        if chart is None:
            return ""
        ends = self.size.width - _VALUE - 5  # where bars end, at the longest
        names = min(max(map(cell_len, chart.categories), default=0), max(ends - _BAR, 1))
        most = max((p.y for series in chart.series for p in series.points), default=0.0) or 1.0
        room = max(ends - names, 1)
        parts: list[tuple[str, str]] = []
        for place, category in enumerate(chart.categories):
            label = middle(category, names)
            for side, series in enumerate(chart.series):
                value = series.points[place].y if series.points else 0.0
                if not value:
                    continue
                colour, mark = SIDES[side % len(SIDES)]
                bar = "█" * max(round(value / most * room), 1)
                parts += [(f" {label:>{names}} ", "$foreground 60%"), (f"{mark} {bar}", f"${colour}")]
                parts += [(f" {number(chart.y[1], value)}\n", "")]
                label = ""
        return Content.assemble(*parts)


def _range(chart: Chart) -> tuple[float, float]:
    """Where the axis of x begins and ends."""
    xs = [p.x for series in chart.series for p in series.points]
    low, high = min(xs), max(xs)
    margin = (high - low) * 0.12 or abs(high) * 0.5 or 1.0
    return max(low - margin, 0.0), high + margin


def legend(chart: Chart) -> str:
    """Which mark is which side, for a border."""
    marks = zip((mark for _, mark in SIDES), chart.series, strict=False)
    return "  ".join(f"{mark} {series.name.partition(' ')[0]}" for mark, series in marks).replace("[", "\\[")
