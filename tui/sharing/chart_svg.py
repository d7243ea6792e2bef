"""Charts as SVG files that need nothing else: no font, no script, no style sheet from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from tui.compare.cells import number
from tui.compare.charts import Chart, Point, Series, beside, charts

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.measures import Unit
    from store.compare.ways import Ways

# Okabe and Ito's colours, told apart by people who see colours otherwise too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_WIDTH, _PLOT = 640, 280  # the plot's own height; the legend above it has a line for each series
_LEFT, _RIGHT, _TITLE, _LINE, _BOTTOM = 78, 20, 34, 18, 56
_INK, _FAINT = "#222222", "#cccccc"
_PARTS = 4  # about so many steps of an axis
_ROUND = (1.0, 2.0, 5.0)
_ROUND_MS = (*(10.0**e * r for e in range(-3, 3) for r in _ROUND), *(1e3 * s for s in (1, 2, 5, 10, 15, 30)))
_ROUND_MS += tuple(6e4 * m for m in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))
_BESIDE = 0.02  # of the width, between points that would lie on each other


def svg(chart: Chart) -> str:
    """The chart, readable in print and on white."""
    frame = _Frame(chart)
    body = [*_axes(chart, frame), *_legend(chart.series)]
    if chart.path and len(chart.path) > 1:
        places = " ".join(f"{frame.x(p.x):.1f},{frame.y(p.y):.1f}" for p in chart.path)
        body.append(f'<polyline points="{places}" fill="none" stroke="#888888" stroke-dasharray="5 4"/>')
    drawn: Sequence[Series] = chart.series
    if chart.kind == "points":
        drawn = beside(drawn, (frame.xs[1] - frame.xs[0]) * _BESIDE)
    for place, series in enumerate(drawn):
        draw = _bars if chart.kind == "bars" else _points
        body += draw(chart, frame, series, place)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {frame.height}" width="{_WIDTH}"'
        f' height="{frame.height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{_INK}">\n'
        f'<rect width="{_WIDTH}" height="{frame.height}" fill="white"/>\n'
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="bold">{escape(chart.title)}</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def write_charts(folder: Path, comparison: Comparison, ways: Ways) -> list[Path]:
    """Write what pictures there are, and give their paths. Raises UsageError where it cannot."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for chart in charts(comparison, ways):
            path = folder / f"{chart.key}.svg"
            path.write_text(svg(chart), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(f"the pictures cannot be written to {folder}: {error.strerror}") from None
    return written


class _Frame:
    """Where values stand on the page."""

    def __init__(self, chart: Chart) -> None:
        points = [p for series in chart.series for p in series.points]
        self.top = _TITLE + _LINE * len(chart.series) + 10
        self.bottom = self.top + _PLOT
        self.height = self.bottom + _BOTTOM
        if chart.kind == "bars":
            self.xs = (-0.5, len(chart.categories) - 0.5)
        else:
            self.xs = _around([p.x for p in points])
        if chart.y[1] == "share":
            self.y_ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
        else:
            highest = max((p.y for p in points), default=0.0) or 1.0
            step = _step(chart.y[1], highest)
            self.y_ticks = [step * i for i in range(math.ceil(highest / step - 1e-9) + 1)]

    def x(self, value: float) -> float:
        low, high = self.xs
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return self.bottom - value / self.y_ticks[-1] * _PLOT


def _around(values: Sequence[float]) -> tuple[float, float]:
    """An axis that has all of these, and none of them at its end; a single one is in its middle."""
    low, high = min(values), max(values)
    if low == high:
        return low - 1, high + 1
    margin = (high - low) * 0.12
    return low - margin, high + margin


def _step(unit: Unit, span: float) -> float:
    """The round step that parts a span of values into about `_PARTS`."""
    least = span / _PARTS
    if unit == "ms":
        steps: Iterable[float] = _ROUND_MS
    else:
        power = 10.0 ** math.floor(math.log10(least))
        steps = (power * r for r in (*_ROUND, 10.0))
    step = next((one for one in steps if one >= least * (1 - 1e-9)), least)
    return max(step, 1.0) if unit == "count" else step


def _axes(chart: Chart, frame: _Frame) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, frame.bottom
    for value in frame.y_ticks:
        at = frame.y(value)
        yield f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_FAINT}"/>'
        yield _text(_LEFT - 6, at + 4, number(chart.y[1], value), "end")
    for place, label in _ticks(chart, frame):
        yield _text(frame.x(place), bottom + 18, label, "middle")
    yield _text((_LEFT + right) / 2, frame.height - 12, chart.x[0], "middle")
    middle = (frame.top + bottom) / 2
    label = escape(chart.y[0])
    yield f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{label}</text>'
    yield f'<line x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="{_INK}"/>'


def _ticks(chart: Chart, frame: _Frame) -> Iterator[tuple[float, str]]:
    if chart.kind == "bars":
        yield from enumerate(chart.categories)
        return
    places = sorted({p.x for series in chart.series for p in series.points})
    if chart.kind == "points" and len(places) > 1:
        low, high = frame.xs
        step = _step(chart.x[1], high - low)
        first, last = math.ceil(max(low, 0.0) / step), math.floor(high / step)
        places = [step * i for i in range(first, last + 1)]
    for place in places:
        yield place, f"{place:.0f}" if chart.kind == "lines" else number(chart.x[1], place)


def _points(chart: Chart, frame: _Frame, series: Series, place: int) -> Iterator[str]:
    ink = COLOURS[place % len(COLOURS)]
    if chart.kind == "lines":
        line = " ".join(f"{frame.x(p.x):.1f},{frame.y(p.y):.1f}" for p in series.points)
        yield f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2"/>'
    for point in series.points:
        x = frame.x(point.x)
        if point.low is not None and point.high is not None:
            low, high = frame.y(point.low), frame.y(point.high)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{ink}"/>'
        place_of = f'cx="{x:.1f}" cy="{frame.y(point.y):.1f}" r="4.5"'
        yield f'<circle {place_of} fill="{ink}">{_told(chart, point)}</circle>'


def _bars(chart: Chart, frame: _Frame, series: Series, place: int) -> Iterator[str]:
    ink = COLOURS[place % len(COLOURS)]
    slot = (frame.x(1) - frame.x(0)) * 0.8 / len(chart.series)
    for point in series.points:
        x = frame.x(point.x) + (place - len(chart.series) / 2) * slot
        top, bottom = frame.y(point.y), frame.y(0)
        shape = f'x="{x:.1f}" y="{top:.1f}" width="{slot:.1f}" height="{bottom - top:.1f}"'
        yield f'<rect {shape} fill="{ink}">{_told(chart, point)}</rect>'


def _told(chart: Chart, point: Point) -> str:
    """What a pointer over it is told: the value, and how many it is over."""
    return f"<title>{escape(number(chart.y[1], point.y))}, n = {point.n}</title>"


def _legend(series: Sequence[Series]) -> Iterator[str]:
    for place, one in enumerate(series):
        n, y = max((p.n for p in one.points), default=0), _TITLE + _LINE * place
        ink = COLOURS[place % len(COLOURS)]
        yield f'<rect x="{_LEFT}" y="{y}" width="10" height="10" fill="{ink}"/>'
        yield _text(_LEFT + 15, y + 9, f"{one.name} (n = {n})" if n else one.name, "start")


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
