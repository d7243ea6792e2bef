"""A comparison as text: a table for a terminal, or Markdown. Names and outputs are untrusted text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from store.compare.traces import ComparedStep, RunPair, StepPair
from tui.compare.cells import Line, lines, outcome_cells, paired_sentence, problem_name
from tui.compare.ways import (
    USED_HEAD,
    blame_sentence,
    flip_cells,
    parting_sentence,
    shift_cells,
    used_cells,
)
from tui.reports.tables import table
from tui.safe import clean, one_line
from tui.value_parts import parts_of

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.pairs import Pair
    from store.compare.parting import Parting
    from store.compare.ways import PairWays, Ways

LISTED = 50  # problems, steps; --all lists every one
_WIDTH = 160
_KINDS = {
    "same": "same",
    "output": "another output",
    "inputs": "other inputs",
    "only_baseline": "only in {}",
    "only_other": "only in {}",
}


def text(comparison: Comparison, *, every: bool, markdown: bool = False, ways: Ways | None = None) -> str:
    """The whole report. Without `every`, only what differs; with `ways`, how the sides worked as well."""
    writer = _Markdown() if markdown else _Plain()
    lines = [*_report(comparison, writer, every=every), *(_ways(ways, comparison, writer) if ways else ())]
    return "\n".join(lines).rstrip() + "\n"


class _Plain:
    """Columns of spaces."""

    def title(self, words: str) -> Iterator[str]:
        yield from ("", words)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        yield table(head, rows)

    def bullets(self, sentences: Sequence[str]) -> Iterator[str]:
        yield from sentences

    def source(self, source: str) -> Iterator[str]:
        yield from (f"  {line}" for line in source.splitlines())

    def cell(self, words: str) -> str:
        return words


class _Markdown:
    """GitHub's tables; nothing in a cell can end it or be taken for markup."""

    def title(self, words: str) -> Iterator[str]:
        yield from ("", f"### {words}", "")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        yield self._row(head)
        yield "|" + "---|" * len(head)
        yield from map(self._row, rows)

    def _row(self, cells: Sequence[str]) -> str:
        return f"| {' | '.join(self.cell(cell) for cell in cells)} |"

    def bullets(self, sentences: Sequence[str]) -> Iterator[str]:
        yield from (f"- {self.cell(sentence)}" for sentence in sentences)

    def source(self, source: str) -> Iterator[str]:
        longest = max(map(len, re.findall("`+", source)), default=0)
        fence = "`" * max(3, longest + 1)
        yield from (f"{fence}diff", *source.splitlines(), fence)

    def cell(self, words: str) -> str:
        return markdown_cell(words)


def markdown_cell(words: str) -> str:
    """Words that stay words in Markdown, in a table's cell too."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#~$" else c for c in words)


def _report(comparison: Comparison, out: _Plain | _Markdown, *, every: bool) -> Iterator[str]:
    legend = [f"{side.letter}  {one_line(side.title, _WIDTH)}" for side in comparison.sides]
    yield from out.bullets(legend)
    yield ""
    letters = [side.letter for side in comparison.sides]
    head = ["", *letters, *(f"{one.other} − {one.baseline} [95 %]" for one in comparison.pairs)]
    shown = [line for line in lines(comparison) if every or line.differs or _is_main(line)]
    yield from out.table(
        head, [[one_line(line.title, 40), *line.values, *_deltas(line, comparison)] for line in shown]
    )
    yield from out.title("Paired by problem")
    yield from out.bullets([paired_sentence(one) for one in comparison.pairs])
    if comparison.warnings:
        yield from out.title("Warnings")
        yield from out.bullets([one_line(warning, 400) for warning in comparison.warnings])
    if settings := comparison.settings(every=every):
        yield from out.title("Settings" if every else "Settings that differ")
        rows = [[one_line(key, 40), *(one_line(v, 60) or "–" for v in values)] for key, values in settings]
        yield from out.table(["", *letters], rows)
    for one in comparison.pairs:
        if not comparison.are_runs:
            yield from _problems(one, out, every=every)
    for one, runs, parting in zip(comparison.pairs, comparison.runs, comparison.partings, strict=False):
        yield from _traces(one, runs, parting, out, every=every)


def _ways(ways: Ways, comparison: Comparison, out: _Plain | _Markdown) -> Iterator[str]:
    """Where time and money went, which way became which, and what turned each verdict."""
    letters = [side.letter for side in comparison.sides]
    trials = ", ".join(f"{n:,} of {letter}" for letter, n in zip(letters, ways.trials, strict=True))
    yield from out.title(f"Operators, per trial ({trials})")
    head = ["operator", *(f"{letter} {what}" for what in USED_HEAD for letter in letters)]
    yield from out.table(
        head, [[one_line(o.name, 40), *used_cells(o, ways, range(len(letters)))] for o in ways.operators]
    )
    for one in ways.pairs:
        yield from _pair_ways(one, out)


def _pair_ways(one: PairWays, out: _Plain | _Markdown) -> Iterator[str]:
    yield from out.title(f"Ways of working, {one.baseline} and {one.other}")
    head = ["problems", "gained", "lost", f"operators of {one.baseline}", f"operators of {one.other}"]
    yield from out.table(head, [shift_cells(shift) for shift in one.shifts[:LISTED]])
    yield from out.title(f"Flips, {one.baseline} and {one.other}")
    yield from out.bullets([blame_sentence(one)])
    if one.flips:
        head = ["problem", one.other, "blame", "at step", "tried again"]
        yield from out.table(head, [flip_cells(flip) for flip in one.flips])


def _deltas(line: Line, comparison: Comparison) -> tuple[str, ...]:
    return line.deltas or ("",) * len(comparison.pairs)


def _is_main(line: Line) -> bool:
    return line.title in ("trials done", "pass rate", "pass rate, 95 %", "mean score")


def _problems(one: Pair, out: _Plain | _Markdown, *, every: bool) -> Iterator[str]:
    """The problems that came out differently, and with `every` the others."""
    found = one.problems if every else one.differing
    if not found:
        return
    yield from out.title(f"Problems, {one.baseline} and {one.other}")
    limit = len(found) if every else LISTED
    rows = [
        [one_line(problem_name(p), 60), p.outcome, *outcome_cells(p), *(one_line(r, 60) for r in p.runs)]
        for p in found[:limit]
    ]
    head = ["problem", one.other, one.baseline, one.other, f"run of {one.baseline}", f"run of {one.other}"]
    yield from out.table(head, rows)
    if len(found) > limit:
        yield from out.bullets([f"and {len(found) - limit:,} more; --all lists them"])


def _traces(
    one: Pair, runs: RunPair, parting: Parting, out: _Plain | _Markdown, *, every: bool
) -> Iterator[str]:
    names = (one.baseline, one.other)
    yield from out.title(parting_sentence(parting))
    if runs.diff:
        yield from out.title(f"Workflow, {one.baseline} and {one.other}")
        yield from out.source(clean(runs.diff))
    else:
        yield from out.title(f"Workflow, {one.baseline} and {one.other}: the same")
    found = runs.steps if every else runs.differing
    if not found:
        yield from out.title(f"Steps: all {len(runs.steps)} are the same")
        return
    yield from out.title(
        f"Steps, {one.baseline} and {one.other}: {len(runs.differing)} of {len(runs.steps)} differ"
    )
    limit = len(found) if every else LISTED
    head = ["execution", "step", "operator", "differs", f"output of {names[0]}", f"output of {names[1]}"]
    yield from out.table(head, [step_cells(pair, names) for pair in found[:limit]])
    if len(found) > limit:
        yield from out.bullets([f"and {len(found) - limit:,} more; --all lists them"])


def step_cells(pair: StepPair, names: tuple[str, str]) -> list[str]:
    """Where the step is, what it is, what differs, and both outputs in a line each."""
    purpose, round_number, repeat = pair.step.execution
    where = f"{purpose} {repeat}" + (f", round {round_number}" if round_number else "")
    index = "/".join("–" if step is None else str(step.index) for step in pair.steps)
    return [
        one_line(where, 30),
        index,
        one_line(pair.step.operator, 30),
        kind_words(pair, names),
        *(_output(step) for step in pair.steps),
    ]


def kind_words(pair: StepPair, names: tuple[str, str]) -> str:
    return _KINDS[pair.kind].format(names[0] if pair.kind == "only_baseline" else names[1])


def _output(step: ComparedStep | None) -> str:
    if step is None:
        return "–"
    parts = parts_of(step.output)
    named = len(parts) > 1 or parts[0].is_json
    texts = (f"{part.title}: {part.text}" if named and part.title else part.text for part in parts)
    return one_line(step.error or "  ".join(texts), 48)
