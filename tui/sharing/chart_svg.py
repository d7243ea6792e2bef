"""Charts as SVG files that need nothing else: no font, no script, no style sheet from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from tui.compare.cells import number
from tui.compare.charts import Chart, Point, Series, charts

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.ways import Ways

# Okabe and Ito's colours, told apart by people who see colours otherwise too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 20, 64, 56
_INK, _FAINT = "#222222", "#cccccc"


def svg(chart: Chart) -> str:
    """The chart, readable in print and on white."""
    frame = _Frame(chart)
    body = [*_axes(chart, frame), *_legend(chart.series)]
    if chart.path and len(chart.path) > 1:
        places = " ".join(f"{frame.x(p.x):.1f},{frame.y(p.y):.1f}" for p in chart.path)
        body.append(f'<polyline points="{places}" fill="none" stroke="#888888" stroke-dasharray="5 4"/>')
    for place, series in enumerate(chart.series):
        draw = _bars if chart.kind == "bars" else _points
        body += draw(chart, frame, series, place)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
        f' height="{_HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{_INK}">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>\n'
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
        self.xs = (
            (-0.5, len(chart.categories) - 0.5) if chart.kind == "bars" else _around(p.x for p in points)
        )
        if chart.y[1] == "share":
            self.ys = (0.0, 1.0)
        else:
            self.ys = (0.0, max((p.y for p in points), default=0.0) * 1.08 or 1.0)

    def x(self, value: float) -> float:
        low, high = self.xs
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.ys
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _around(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    low, high = min(known), max(known)
    margin = (high - low) * 0.12 or abs(high) * 0.5 or 1.0
    return max(low - margin, 0.0) if low >= 0 else low - margin, high + margin


def _axes(chart: Chart, frame: _Frame) -> Iterator[str]:
    low, high = frame.ys
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for step in range(5):
        value = low + (high - low) * step / 4
        at = frame.y(value)
        yield f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_FAINT}"/>'
        yield _text(_LEFT - 6, at + 4, number(chart.y[1], value), "end")
    for place, label in _ticks(chart, frame):
        yield _text(frame.x(place), bottom + 18, label, "middle")
    yield _text((_LEFT + right) / 2, _HEIGHT - 12, chart.x[0], "middle")
    middle = (_TOP + bottom) / 2
    label = escape(chart.y[0])
    yield f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{label}</text>'
    yield f'<line x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="{_INK}"/>'


def _ticks(chart: Chart, frame: _Frame) -> Iterator[tuple[float, str]]:
    if chart.kind == "bars":
        yield from enumerate(chart.categories)
    elif chart.kind == "lines":
        for place in sorted({p.x for series in chart.series for p in series.points}):
            yield place, f"{place:.0f}"
    else:
        low, high = frame.xs
        for step in range(5):
            value = low + (high - low) * step / 4
            yield value, number(chart.x[1], value)


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
    x = float(_LEFT)
    for place, one in enumerate(series):
        n = max((p.n for p in one.points), default=0)
        label = f"{one.name} (n = {n})" if n else one.name
        yield f'<rect x="{x:.1f}" y="34" width="10" height="10" fill="{COLOURS[place % len(COLOURS)]}"/>'
        yield _text(x + 15, 43, label, "start")
        x += 28 + 6.4 * len(label)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
