"""Numbers of a comparison as people read them, for the table, Markdown and the screen alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from store.compare.comparison import Comparison
from store.compare.measures import BY_KEY, MEASURES, Summary, Unit
from store.compare.pairs import Delta, Pair, ProblemPair
from store.compare.replies import SHARES
from tui.format import UNKNOWN, cost, count, duration, plural
from tui.safe import one_line

NONE = "–"
Tone = Literal["", "good", "bad"]


@dataclass(frozen=True)
class Line:
    """A cell a side and, for what is paired by problem, a cell a pair with its tone; else those are empty."""

    title: str
    values: tuple[str, ...]
    deltas: tuple[str, ...]
    tones: tuple[Tone, ...]
    differs: bool


def lines(comparison: Comparison) -> Iterator[Line]:
    """Every line of the table, top to bottom."""
    summaries, pairs = comparison.summaries, comparison.pairs
    yield _plain("trials done", [f"{s.counts.done}/{s.counts.planned}" for s in summaries])
    for measure in MEASURES:
        if not any(measure.key in s.means or _is_unknown(measure.unit, s) for s in summaries):
            continue
        values = tuple(_value(measure.key, s) for s in summaries)
        found = [one.deltas.get(measure.key) for one in pairs]
        yield Line(
            measure.title,
            values,
            tuple(
                UNKNOWN
                if d is None and measure.unit == "usd" and one.problems
                else delta_cell(measure.unit, d)
                for one, d in zip(pairs, found, strict=True)
            ),
            tuple(_tone(measure.better, d) for d in found),
            len(set(values)) > 1 or any(d is not None and d.value != 0 for d in found),
        )
        if measure.key == "pass_rate":
            yield from _beside_pass_rate(comparison)
        elif measure.key == "cost_usd":
            yield _plain("cost per pass", [_cost_per_pass(s) for s in summaries])
        elif measure.key == "meta_latency_ms":
            yield _plain("time, meta share", [_meta_share(s) for s in summaries])
        elif measure.key == "wall_ms":
            yield _plain("time per pass", [_optional("ms", s.ms_per_pass) for s in summaries])
    yield from _searches(comparison)
    yield _plain("distinct workflows", [str(s.workflows) for s in summaries])
    for key, title in SHARES.items():
        if any(key in s.shares for s in summaries):
            yield _plain(title, [share_cell(key, s) for s in summaries])
    for name in dict.fromkeys(name for s in summaries for name in s.operators):
        yield _plain(f"calls of {name}", [_optional("count", s.operators.get(name, 0.0)) for s in summaries])


def _beside_pass_rate(comparison: Comparison) -> Iterator[Line]:
    summaries = comparison.summaries
    yield _plain("pass rate, 95 %", [interval_cell("share", s.interval) for s in summaries])
    counts = [s.counts for s in summaries]
    yield _plain("errors + budget", [f"{c.errors} + {c.budget}" for c in counts])
    yield _plain("no verdict", [str(c.no_verdict) for c in counts])
    for name in dict.fromkeys(name for s in summaries for name in s.by_benchmark):
        yield _plain(f"pass rate, {name}", [_optional("share", s.by_benchmark.get(name)) for s in summaries])
    if any(s.macro is not None for s in summaries):
        yield _plain("pass rate, macro", [_optional("share", s.macro) for s in summaries])
    for k in sorted({k for s in summaries for k in s.pass_at if k > 1}):
        yield _plain(f"pass@{k}", [_optional("share", s.pass_at.get(k)) for s in summaries])


def _searches(comparison: Comparison) -> Iterator[Line]:
    """What was spent once, before the first trial."""
    found = [[p.search for p in side.parts if p.search] for side in comparison.sides]
    if not any(found):
        return
    costs = [None if any(s.cost_usd is None for s in f) else sum(s.cost_usd or 0 for s in f) for f in found]
    yield _plain("search, cost", [cost(c) if f else NONE for c, f in zip(costs, found, strict=True)])
    tokens = [sum(s.tokens_in + s.tokens_out for s in f) for f in found]
    yield _plain("search, tokens", [count(n) if f else NONE for n, f in zip(tokens, found, strict=True)])
    times = [sum(s.wall_ms or 0.0 for s in f) for f in found]
    yield _plain("search, time", [duration(ms) if f else NONE for ms, f in zip(times, found, strict=True)])


def _plain(title: str, values: list[str]) -> Line:
    """A line of numbers that are not paired."""
    return Line(title, tuple(values), (), (), len(set(values)) > 1)


def _meta_share(summary: Summary) -> str:
    meta, wall = summary.means.get("meta_latency_ms"), summary.means.get("wall_ms")
    return (
        NONE if meta is None or wall is None or not wall.value else number("share", meta.value / wall.value)
    )


def _is_unknown(unit: Unit, summary: Summary) -> bool:
    """Whether a value that no trial has is unknown: each done trial has a cost, and be it nothing."""
    return unit == "usd" and summary.counts.done > 0


def _cost_per_pass(summary: Summary) -> str:
    if summary.cost_per_pass is None and summary.counts.passed:
        return UNKNOWN
    return _optional("usd", summary.cost_per_pass)


def _value(key: str, summary: Summary) -> str:
    mean = summary.means.get(key)
    if mean is None:
        return UNKNOWN if _is_unknown(BY_KEY[key].unit, summary) else NONE
    text = number(BY_KEY[key].unit, mean.value)
    return text if mean.known == summary.counts.done else f"{text} ({mean.known})"


def share_cell(key: str, summary: Summary) -> str:
    """A share of the meta-agent's replies with what it is of: `91.7 % (24)`."""
    share = summary.shares.get(key)
    return NONE if share is None else f"{number('share', share.value)} ({count(share.known)})"


def _optional(unit: Unit, value: float | None) -> str:
    return NONE if value is None else number(unit, value)


def number(unit: Unit, value: float) -> str:
    """A value in its unit: `81.3 %`, `$0.0123`, `12.3s`, `1.2k`."""
    match unit:
        case "share":
            return f"{value * 100:.1f} %".replace("-", "−")
        case "usd":
            return cost(value)
        case "ms":
            return duration(value)
        case "count":
            return count(round(value)) if value >= 1000 else f"{value:.3g}"


def signed(unit: Unit, value: float) -> str:
    """A difference in its unit, with its sign; shares differ by points."""
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return sign + number(unit, abs(value)).replace(" %", "")


def delta_cell(unit: Unit, delta: Delta | None) -> str:
    """`+3.7 [−1.2, +8.5]`; without the brackets where there is no interval."""
    if delta is None:
        return NONE
    text = signed(unit, delta.value)
    if delta.interval is None:
        return text
    low, high = delta.interval
    ends = f"[{signed(unit, low)}, {signed(unit, high)}]".replace("$", "")
    return f"{text} {ends}"


def interval_cell(unit: Unit, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return NONE
    low, high = (number(unit, end).removesuffix(" %") for end in interval)
    return f"{low}–{high}"


def _tone(better: str | None, delta: Delta | None) -> Tone:
    """Good or bad only where the interval leaves no doubt which."""
    if better is None or delta is None or delta.interval is None:
        return ""
    low, high = delta.interval
    if low <= 0 <= high:
        return ""
    return "good" if (low > 0) == (better == "high") else "bad"


def paired_sentence(one: Pair) -> str:
    """What the paired test says, in a line."""
    who = f"{one.other} against {one.baseline}"
    if not one.scored:
        return f"{who}: no problem has a score on both sides"
    if one.scored == len(one.problems) == 1:
        before, after = outcome_cells(one.problems[0])
        return f"{who} on {one_line(problem_name(one.problems[0]), 60)}: {before} → {after}"
    p_value = one.p_value if one.p_value is not None else 1.0
    return (
        f"{who}, {plural(one.scored, 'problem')} paired: {one.wins} won, {one.losses} lost, {one.ties} tied;"
        f" passes gained {one.gained}, lost {one.lost}, exact McNemar {p_words(p_value)}"
    )


def p_cell(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def p_words(p_value: float) -> str:
    return f"p {'' if p_value < 0.0001 else '= '}{p_cell(p_value)}"


def problem_name(one: ProblemPair) -> str:
    return f"{one.benchmark}: {one.problem_id}" if one.benchmark else one.problem_id


def outcome_cells(one: ProblemPair) -> tuple[str, str]:
    """How the problem ended on either side: `failed`, `passed`, or how often with repeats."""
    return _ending(one, 0), _ending(one, 1)


def _ending(one: ProblemPair, side: int) -> str:
    passed, trials, score = one.passed[side], one.trials[side], one.scores[side]
    if score is None:
        return "not scored"
    if trials > 1:
        return f"{passed}/{trials} passed"
    return "passed" if passed else f"failed, {score * 100:.0f} %" if score else "failed"
