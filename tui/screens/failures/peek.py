"""A failed run on one page: why, which step, where in the workflow, and what the verdict was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.events import (
    EvaluationFinished,
    Event,
    StepFinished,
    StepStarted,
    WorkflowProposed,
)
from tui import format as fmt
from tui.reports.failures import evidence_lines
from tui.safe import clean, one_line
from tui.trace.marks import status_mark
from tui.trace.outline import test_results

if TYPE_CHECKING:
    from store.failures import Peek
    from store.rows import RunRow

_AROUND = 6  # lines of the workflow above and below the one that matters
_VALUE_LINES, _VALUE_CHARS = 8, 2_000
_TESTS = 6


def peek_text(run: RunRow, peek: Peek) -> str:
    """The page as plain text; what models wrote is cut and cleaned."""
    return "\n".join(_lines(run, peek))


def _lines(run: RunRow, peek: Peek) -> Iterator[str]:
    _, _, words = status_mark(run.status)
    yield f"{one_line(run.problem_id, 80)}: {words}, score {fmt.score(run.score)}"
    who = f"{one_line(run.variant, 40)}, {one_line(run.meta_agent, 40)} → {one_line(run.worker, 40)}"
    yield f"{who}, seed {run.seed}"
    if run.error:
        yield one_line(run.error, 400)
    yield ""
    yield "── why"
    yield from evidence_lines(peek.findings) or ["No label applies."]
    yield from _said(peek)
    yield from _step(peek.step)
    if isinstance(peek.workflow, WorkflowProposed):
        yield from _workflow(peek.workflow, peek.line)
    if isinstance(peek.evaluation, EvaluationFinished):
        yield from _verdict(peek.evaluation)


def _said(peek: Peek) -> Iterator[str]:
    by_people = [a for a in peek.annotations if a.source == "user"]
    if by_people:
        yield ""
        yield "── said of it"
        yield from (f"{a.kind}{': ' if a.value else ''}{one_line(a.value, 500)}" for a in by_people)


def _step(events: tuple[Event, ...]) -> Iterator[str]:
    for event in events:
        match event:
            case StepStarted():
                yield ""
                line = f", line {event.line}" if event.line else ""
                yield f"── step {event.index}: {one_line(event.operator, 60)}{line}"
                for name, value in event.inputs.items():
                    yield from _value(name, value)
            case StepFinished():
                if event.error:
                    yield f"{event.status}: {one_line(event.error, 400)}"
                output = event.output if isinstance(event.output, dict) else {"output": event.output}
                for name, value in output.items():
                    if value is not None:
                        yield from _value(f"→ {name}", value)
            case _:
                pass


def _value(name: str, value: Any) -> Iterator[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    lines = clean(text[:_VALUE_CHARS]).strip().split("\n")
    if len(lines) == 1:
        yield f"{one_line(name, 40)}: {lines[0][:400]}"
        return
    yield f"{one_line(name, 40)}:"
    yield from (f"  {line[:200]}" for line in lines[:_VALUE_LINES])
    if len(lines) > _VALUE_LINES or len(text) > _VALUE_CHARS:
        yield "  …"


def _workflow(proposal: WorkflowProposed, line: int | None) -> Iterator[str]:
    lines = clean(proposal.code).split("\n")
    yield ""
    yield f"── workflow{f', line {line}' if line else ''}"
    middle = line or 1
    for number in range(max(middle - _AROUND, 1), min(middle + _AROUND, len(lines)) + 1):
        mark = "▶" if number == line else " "
        yield f"{mark}{number:>4} {lines[number - 1][:200]}"


def _verdict(evaluation: EvaluationFinished) -> Iterator[str]:
    yield ""
    _, _, words = status_mark(str(evaluation.verdict.get("status", "failed")))
    yield f"── {evaluation.split} tests: {evaluation.passed} of {evaluation.total} passed ({words})"
    bad = [t for t in test_results(evaluation.verdict) if t.get("status") != "passed"]
    for test in bad[:_TESTS]:
        what = test.get("message") or test.get("reason") or test.get("status")
        yield f"✗ {one_line(str(what), 300)}"
    if len(bad) > _TESTS:
        yield f"… and {len(bad) - _TESTS} more"
    if not bad and (message := evaluation.verdict.get("message")):
        yield one_line(str(message), 400)
