"""A comparison as pictures: plain data, which the screen draws with characters and an export as SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from engine.scores.statistics import proportion_interval
from store.compare.measures import BY_KEY, Unit
from store.compare.problems import by_problem
from tui.safe import one_line

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.measures import Summary
    from store.compare.ways import Ways

_BINS = 10
_MOST_OPERATORS = 8
Axis = tuple[str, Unit]


@dataclass(frozen=True)
class Point:
    """A place; `low` to `high` is the 95 % interval of `y`, where there is one. `n` is what it is over."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True)
class Series:
    """What is drawn of one side. In bars, `x` is the index of the category."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """`path` joins points that no other beats in both directions. `categories` are a bar chart's."""

    key: str
    title: str
    kind: Literal["points", "lines", "bars"]
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    categories: tuple[str, ...] = ()
    path: tuple[Point, ...] = ()


def charts(comparison: Comparison, ways: Ways) -> list[Chart]:
    """The pictures there is something for: accuracy against cost, rounds, scores, time by operator."""
    names = [one_line(f"{side.letter} {side.name}", 60) for side in comparison.sides]
    found = (
        _accuracy(comparison, names),
        _rounds(ways, names),
        _scores(comparison, names),
        _times(ways, names),
    )
    return [chart for chart in found if any(series.points for series in chart.series)]


def _accuracy(comparison: Comparison, names: Sequence[str]) -> Chart:
    """Pass rates against cost; where nothing costs money, as with local models, against tokens."""
    costs = [summary.means.get("cost_usd") for summary in comparison.summaries]
    is_free = all(cost is not None and cost.value == 0 for cost in costs)
    key = "tokens" if is_free else "cost_usd"
    points = [_pass_rate(summary, key) for summary in comparison.summaries]
    series = [Series(name, (p,) if p else ()) for name, p in zip(names, points, strict=True)]
    known = [point for point in points if point is not None]
    what = f"{BY_KEY[key].title} per trial"
    title = f"Pass rate against {what}"
    axes: tuple[Axis, Axis] = ((what, BY_KEY[key].unit), ("pass rate", "share"))
    return Chart("accuracy-cost", title, "points", *axes, tuple(series), path=tuple(pareto(known)))


def _pass_rate(summary: Summary, key: str) -> Point | None:
    """None where some trial has no such number, like an unknown price: it would stand too far left."""
    spent, rate = summary.means.get(key), summary.means.get("pass_rate")
    if spent is None or rate is None or spent.known < summary.counts.done:
        return None
    low, high = summary.interval or (None, None)
    return Point(spent.value, rate.value, low, high, rate.known)


def pareto(points: Sequence[Point]) -> Iterator[Point]:
    """The points that no other is cheaper than and at least as good, cheapest first."""
    best = -1.0
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if point.y > best:
            best = point.y
            yield point


def beside(series: Sequence[Series], step: float) -> list[Series]:
    """The series with those of their points that share an x a `step` apart: else the last would hide the
    others, as where nothing costs anything.
    """
    taken: Counter[float] = Counter()
    moved: list[Series] = []
    for one in series:
        moved.append(replace(one, points=tuple(replace(p, x=p.x + step * taken[p.x]) for p in one.points)))
        taken.update(p.x for p in one.points)
    return moved


def _rounds(ways: Ways, names: Sequence[str]) -> Chart:
    def points(rounds: dict[int, tuple[int, int]]) -> Iterator[Point]:
        for number, (passed, scored) in rounds.items():
            low, high = proportion_interval(passed, scored) or (None, None)
            yield Point(number, passed / scored, low, high, scored)

    series = [Series(name, tuple(points(dict(of)))) for name, of in zip(names, ways.rounds, strict=True)]
    axes: tuple[Axis, Axis] = (("round", "count"), ("passed all of val", "share"))
    return Chart("rounds", "Pass rate on val by round", "lines", *axes, tuple(series))


def _scores(comparison: Comparison, names: Sequence[str]) -> Chart:
    """How many problems have which mean score, in bins of a tenth; a full score has one of its own."""
    series = []
    for name, side in zip(names, comparison.sides, strict=True):
        counts = [0] * (_BINS + 1)
        problems = by_problem(side)
        for score in problems.means(BY_KEY["score"].of(problems.trials)).tolist():
            if not math.isnan(score):
                counts[min(int(score * _BINS + 1e-9), _BINS)] += 1
        points = tuple(Point(i, n, n=sum(counts)) for i, n in enumerate(counts)) if any(counts) else ()
        series.append(Series(name, points))
    used = [i for i in range(_BINS + 1) if any(s.points and s.points[i].y for s in series)]
    places = {bin: place for place, bin in enumerate(used)}
    kept = tuple(
        Series(s.name, tuple(Point(places[i], s.points[i].y, n=s.points[i].n) for i in used if s.points))
        for s in series
    )
    labels = tuple("100 %" if i == _BINS else f"{i * 10}–{i * 10 + 9} %" for i in used)
    title = "Problems by mean score"
    return Chart("scores", title, "bars", ("mean score", "share"), ("problems", "count"), kept, labels)


def _times(ways: Ways, names: Sequence[str]) -> Chart:
    """The operators that take longest on any side; the others are left out."""

    def per_trial(side: int, operator: int) -> float:
        used, trials = ways.operators[operator].sides[side], ways.trials[side]
        return used.wall_ms / trials if used and trials else 0.0

    sides = range(len(names))
    order = sorted(range(len(ways.operators)), key=lambda i: -max(per_trial(s, i) for s in sides))
    shown = [i for i in order if any(per_trial(s, i) for s in sides)][:_MOST_OPERATORS]
    series = tuple(
        Series(name, tuple(Point(at, per_trial(s, i), n=ways.trials[s]) for at, i in enumerate(shown)))
        for s, name in enumerate(names)
    )
    labels = tuple(one_line(ways.operators[i].name, 30) for i in shown)
    title = "Time by operator, per trial"
    return Chart("operators", title, "bars", ("operator", "count"), ("time per trial", "ms"), series, labels)
