"""A failed run on one page: what was asked, why it failed, the answer, the test, and the step behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.events import (
    EvaluationFinished,
    Event,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowProposed,
)
from engine.failures.flaws import Flaw, flaws
from tui import format as fmt
from tui.highlight import EXPECTED, GOT
from tui.reports.failures import evidence_lines
from tui.safe import clean, one_line
from tui.trace.marks import outcome_words, status_mark
from tui.value_parts import parts_of

if TYPE_CHECKING:
    from store.failures import Peek
    from store.rows import RunRow

_AROUND = 6  # lines of code above and below the one that matters
_QUERY_LINES, _QUERY_LINE = 6, 600  # prose often has no line ends
_VALUE_LINES, _VALUE_CHARS = 8, 2_000
_FLAWS = 4
_LINE = 200


def peek_text(run: RunRow, peek: Peek) -> str:
    """The page as plain text; what models wrote is cut and cleaned."""
    return "\n".join(_lines(run, peek))


def _lines(run: RunRow, peek: Peek) -> Iterator[str]:
    scored = f", score {fmt.score(run.score)}" if run.score is not None else ""
    yield f"{one_line(run.problem_id, 80)}: {outcome_words(run.status, run.score)}{scored}"
    who = f"{one_line(run.variant, 40)}, {one_line(run.meta_agent, 40)} → {one_line(run.worker, 40)}"
    yield f"{who}, seed {run.seed}"
    if run.error_sig:
        yield f"✗ {one_line(run.error_sig, 300)}"
    if run.error:
        yield one_line(run.error, 400)
    yield ""
    yield "── why"
    yield from evidence_lines(peek.findings, steps=False) or [_no_label(run)]
    yield from _said(peek)
    yield from _query(peek.asked)
    found = flaws(peek.evaluation.verdict) if isinstance(peek.evaluation, EvaluationFinished) else []
    if isinstance(peek.answer, WorkflowFinished):
        yield from _answer(peek.answer, found)
    if isinstance(peek.evaluation, EvaluationFinished):
        yield from _verdict(peek.evaluation, found)
    if isinstance(peek.workflow, WorkflowProposed):
        yield from _workflow(peek.workflow, peek.line)
    yield from _step(peek.step)


def _no_label(run: RunRow) -> str:
    if run.status == "cancelled":
        return "No label: the run was cancelled."
    return "No label: no rule applies, or its labels were removed."


def _said(peek: Peek) -> Iterator[str]:
    by_people = [a for a in peek.annotations if a.source == "user"]
    if by_people:
        yield ""
        yield "── annotations"
        yield from (f"{a.kind}{': ' if a.value else ''}{one_line(a.value, 500)}" for a in by_people)


def _cut(line: str, most: int = _LINE) -> str:
    return line if len(line) <= most else line[: most - 1] + "…"


def _query(asked: Event | None) -> Iterator[str]:
    prompt = asked.problem.get("prompt") if isinstance(asked, RunStarted) else None
    if isinstance(prompt, str) and prompt.strip():
        lines = [line for line in clean(prompt[:_VALUE_CHARS]).strip().split("\n") if line.strip()]
        yield ""
        yield "── query"
        yield from (_cut(line, _QUERY_LINE) for line in lines[:_QUERY_LINES])
        if len(lines) > _QUERY_LINES or len(prompt) > _VALUE_CHARS:
            yield "…"


def _answer(ended: WorkflowFinished, found: list[Flaw]) -> Iterator[str]:
    """The answer that was judged, around the line that is blamed."""
    answer = (ended.answer or "").strip("\n")
    yield ""
    if not answer.strip():
        yield "── answer: none"
        return
    line = next((flaw.line for flaw in found if flaw.line), None)
    yield f"── answer{f', line {line}' if line else ''}"
    yield from _code(answer, line)


def _verdict(evaluation: EvaluationFinished, found: list[Flaw]) -> Iterator[str]:
    """The first test of each flaw, expected against got; the same flaw of other tests is folded."""
    yield ""
    _, _, words = status_mark(str(evaluation.verdict.get("status", "failed")))
    yield f"── {evaluation.split} split: {evaluation.passed} of {evaluation.total} tests passed ({words})"
    for flaw in found[:_FLAWS]:
        times = f"  ×{flaw.times}" if flaw.times > 1 else ""
        yield f"✗ {one_line(flaw.error or flaw.call or 'wrong answer', 300)}{times}"
        if flaw.expected or flaw.got:
            yield f"{EXPECTED}{one_line(flaw.expected, 300)}"
            yield f"{GOT}{one_line(flaw.got, 300)}"
    if len(found) > _FLAWS:
        yield f"… and {len(found) - _FLAWS} more"
    if not found and (message := evaluation.verdict.get("message")):
        yield one_line(str(message), 400)


def _workflow(proposal: WorkflowProposed, line: int | None) -> Iterator[str]:
    yield ""
    yield f"── workflow{f', line {line}' if line else ''}"
    yield from _code(proposal.code, line)


def _code(code: str, line: int | None) -> Iterator[str]:
    """The lines around `line`, which is marked, or the first ones."""
    lines = clean(code).split("\n")
    first = max(min((line or 1) - _AROUND, len(lines) - 2 * _AROUND), 1)
    last = min(first + 2 * _AROUND, len(lines))
    for number in range(first, last + 1):
        mark = "▶" if number == line else " "
        yield f"{mark}{number:>4} {_cut(lines[number - 1])}"
    if last < len(lines):
        yield f"      … {fmt.plural(len(lines) - last, 'more line')}"


def _step(events: tuple[Event, ...]) -> Iterator[str]:
    for event in events:
        match event:
            case StepStarted():
                yield ""
                line = f", line {event.line}" if event.line else ""
                yield f"── step {event.index}: {one_line(event.operator, 60)}{line}; enter opens the trace"
                for part in parts_of(dict(event.inputs)):
                    yield from _value(part.title, part.text)
            case StepFinished():
                if event.error:
                    yield f"{event.status}: {one_line(event.error, 400)}"
                for part in parts_of(event.output) if event.output is not None else ():
                    yield from _value(f"→ {part.title or 'output'}", part.text)
            case _:
                pass


def _value(name: str, text: str) -> Iterator[str]:
    lines = clean(text[:_VALUE_CHARS]).strip().split("\n")
    if len(lines) == 1:
        yield f"{one_line(name, 40)}: {_cut(lines[0], 400)}"
        return
    yield f"{one_line(name, 40)}:"
    yield from (f"  {_cut(line)}" for line in lines[:_VALUE_LINES])
    if len(lines) > _VALUE_LINES or len(text) > _VALUE_CHARS:
        yield "  …"
