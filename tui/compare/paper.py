"""A comparison as a table as it would stand in a paper: every figure with its n and its 95 % interval."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Literal

from engine.scores.statistics import mean_intervals
from store.compare.measures import BY_KEY
from store.compare.problems import by_problem
from store.compare.replies import SHARES
from tui.compare.cells import NONE, number, p_cell, share_cell, signed
from tui.compare.report import markdown_cell
from tui.format import UNKNOWN
from tui.safe import one_line

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.sides import Side

Format = Literal["markdown", "latex"]
_MEANS = {
    "model_calls": "Calls per trial",
    "tokens": "Tokens per trial",
    "cost_usd": "Cost per trial",
    "wall_ms": "Time per trial",
}
_HEAD = ("Variant", "n", "Pass rate", "Difference", "p", *_MEANS.values())
_NAME_CHARS = 300
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "–": "--",
    "<": "$<$", ">": "$>$",
}  # fmt: skip


def paper_table(comparison: Comparison, form: Format) -> str:
    """The table with its caption, the first side being what the others are compared with."""
    shares = [key for key in SHARES if any(key in summary.shares for summary in comparison.summaries)]
    head = (*_HEAD, *(SHARES[key].capitalize() for key in shares))
    rows = [
        _row(comparison, place) + tuple(share_cell(key, summary) for key in shares)
        for place, summary in enumerate(comparison.summaries)
    ]
    first = one_line(comparison.sides[0].name, _NAME_CHARS)
    caption = (
        "Pass rates and means per trial with 95 % intervals; n counts trials. Differences in points are"
        f" paired by problem, against {first}; p is the exact McNemar test's."
    )
    if form == "latex":
        return _latex(head, rows, caption)
    lines = [head, *rows]
    table = [f"| {' | '.join(map(markdown_cell, line))} |" for line in lines]
    return "\n".join(
        [table[0], "|---" + "|--:" * (len(head) - 1) + "|", *table[1:], "", markdown_cell(caption), ""]
    )


def _row(comparison: Comparison, place: int) -> tuple[str, ...]:
    side, summary = comparison.sides[place], comparison.summaries[place]
    rate = summary.means.get("pass_rate")
    passed = NONE if rate is None else _with(number("share", rate.value), "share", summary.interval)
    difference = p_value = NONE
    if place:
        pair = comparison.pairs[place - 1]
        if (delta := pair.deltas.get("pass_rate")) is not None:
            difference = signed("share", delta.value)
            if delta.interval is not None:
                low, high = (signed("share", end) for end in delta.interval)
                difference += f" [{low}, {high}] (n = {delta.problems})"
        p_value = NONE if pair.p_value is None else p_cell(pair.p_value)
    n = str(rate.known if rate else summary.counts.done)
    name = one_line(side.name, _NAME_CHARS)
    return (name, n, passed, difference, p_value, *(_mean(side, key) for key in _MEANS))


def _mean(side: Side, key: str) -> str:
    """The mean over problems, with a bootstrap interval over them; the n where some have no such value."""
    measure = BY_KEY[key]
    problems = by_problem(side)
    values = [v for v in problems.means(measure.of(problems.trials)).tolist() if not math.isnan(v)]
    if not values:
        return UNKNOWN if measure.unit == "usd" and problems.keys else NONE
    text = _with(number(measure.unit, statistics.fmean(values)), measure.unit, mean_intervals([values])[0])
    return text if len(values) == len(problems.keys) else f"{text} (n = {len(values)})"


def _with(
    text: str, unit: Literal["share", "usd", "count", "ms"], interval: tuple[float, float] | None
) -> str:
    if interval is None:
        return text
    low, high = (number(unit, end).removesuffix(" %") for end in interval)
    return f"{text} [{low}, {high}]"


def _latex(head: tuple[str, ...], rows: list[tuple[str, ...]], caption: str) -> str:
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        f"{' & '.join(head)} " + r"\\",
        r"\midrule",
        *(f"{' & '.join(map(_escaped, row))} " + r"\\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(words: str) -> str:
    return "".join(_LATEX.get(character, character) for character in words)
