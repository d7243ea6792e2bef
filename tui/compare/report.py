"""A comparison as text: a table for a terminal, or Markdown. Names and outputs are untrusted text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from store.compare.traces import ComparedStep, RunPair, StepPair, text_of
from tui.compare.cells import Line, lines, outcome_cells, paired_sentence, problem_name
from tui.reports.tables import table
from tui.safe import clean, one_line

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.pairs import Pair

LISTED = 50  # problems, steps; --all lists every one
_WIDTH = 160
_KINDS = {
    "same": "same",
    "output": "another output",
    "inputs": "other inputs",
    "only_baseline": "only in {}",
    "only_other": "only in {}",
}


def text(comparison: Comparison, *, every: bool, markdown: bool = False) -> str:
    """The whole report. Without `every`, only what differs."""
    writer = _Markdown() if markdown else _Plain()
    return "\n".join(_report(comparison, writer, every=every)).rstrip() + "\n"


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
    for one, runs in zip(comparison.pairs, comparison.runs, strict=False):
        yield from _traces(one, runs, out, every=every)


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


def _traces(one: Pair, runs: RunPair, out: _Plain | _Markdown, *, every: bool) -> Iterator[str]:
    names = (one.baseline, one.other)
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
    return one_line(step.error or text_of(step.output), 48)
