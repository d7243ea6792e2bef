"""A run as a readable report: the blocks of one, in order, for `sharing_markdown` and `sharing_html` to draw.

Blocks come while the events are read, so that a long run is never whole in memory. Their texts are redacted
already, but otherwise whatever models and programs wrote: drawing them safely is for who draws.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from tui.format import UNKNOWN_COST, cost, count, day_time, duration, plural, score


@dataclass(frozen=True)
class Heading:
    """A title; `level` 1 begins a run."""

    text: str
    level: int


@dataclass(frozen=True)
class Facts:
    """Names and values, short ones."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Line:
    """One sentence; `bad` where it tells a failure."""

    text: str
    bad: bool = False


@dataclass(frozen=True)
class Text:
    """A text under a title: a query, code, a prompt, an output. `language` is for code."""

    title: str
    text: str
    language: str = ""


@dataclass(frozen=True)
class Fold:
    """What `blocks` say, told in one line by `title` until it is opened."""

    title: str
    blocks: tuple[Block, ...]
    bad: bool = False


Block = Heading | Facts | Line | Text | Fold


@dataclass
class _Reading:
    """What is under way while events go by."""

    executions: dict[str, ev.WorkflowStarted] = field(default_factory=dict)
    steps: dict[str, ev.StepStarted] = field(default_factory=dict)
    calls: dict[str, ev.ModelCallStarted] = field(default_factory=dict)
    inside: dict[str, list[Block]] = field(default_factory=dict)  # of a step: its calls and code


def blocks(events: Iterable[ev.Event]) -> Iterator[Block]:
    """The blocks of one run, from its redacted events in order."""
    reading = _Reading()
    for event in events:
        yield from _blocks(event, reading)
    for step in reading.steps.values():
        yield Line(f"step {step.index} {step.operator} never ended", bad=True)


def _blocks(event: ev.Event, reading: _Reading) -> Iterator[Block]:
    match event:
        case ev.RunStarted():
            yield from _started(event)
        case ev.Notice():
            yield Line(f"{event.level}: {event.text}", bad=event.level == "error")
        case ev.TestsWritten():
            yield Text(f"Visible tests, written by {event.model}", "\n".join(event.visible), "python")
        case ev.RoundStarted():
            yield Heading(f"Round {event.round}", 2)
        case ev.RoundFinished():
            yield Line(f"Round {event.round} scored {score(event.score)} on the val tests.")
            if event.feedback:
                yield Text("Feedback to the meta-agent", event.feedback)
        case ev.ModelCallStarted():
            reading.calls[event.call_id] = event
        case ev.ModelCallFinished():
            yield from _call(event, reading)
        case ev.WorkflowProposed():
            yield from _proposed(event)
        case ev.WorkflowStarted():
            reading.executions[event.execution_id] = event
            yield Heading(f"Execution: {event.purpose} {event.repeat}", 3)
        case ev.WorkflowFinished():
            yield from _execution(event, reading)
        case ev.StepStarted():
            reading.steps[event.step_id] = event
        case ev.CodeExecuted():
            _code(event, reading)
        case ev.StepFinished():
            yield from _step(event, reading)
        case ev.ValueEdited():
            yield Text(f"A person changed the {event.what}", _json(event.value), "json")
        case ev.EvaluationFinished():
            yield from _evaluated(event)
        case ev.RunFinished():
            yield from _finished(event)
        case _:
            pass


def _started(event: ev.RunStarted) -> Iterator[Block]:
    problem = event.problem
    yield Heading(f"Run {event.run_id}: {problem.get('id', '')}", 1)
    rows = [
        ("problem", str(problem.get("id", ""))),
        ("variant", event.variant),
        ("meta-agent", event.meta_agent),
        ("worker", event.worker),
        ("seed", str(event.seed)),
        ("sandbox", event.sandbox),
        ("started", f"{day_time(event.at)}"),
        *((name, str(value)) for name, value in event.origin.items() if value is not None),
    ]
    yield Facts(tuple(rows))
    yield Text("Query", str(problem.get("prompt", "")))
    tests = problem.get("tests")
    visible = tests.get("visible") if isinstance(tests, dict) else None
    if visible:
        yield Text("Visible tests", "\n".join(map(str, visible)), "python")


def _call(event: ev.ModelCallFinished, reading: _Reading) -> Iterator[Block]:
    started = reading.calls.pop(event.call_id, None)
    if started is None:
        return
    spent = f"{count(event.tokens_in)} + {count(event.tokens_out)} tokens, {duration(event.wall_ms)}"
    title = f"{started.model}: {event.error or event.finish}, {spent}, {cost(event.cost_usd, UNKNOWN_COST)}"
    inner: list[Block] = [
        *(Text(f"Prompt ({m.get('role', '')})", m.get("content", "")) for m in started.messages),
        *([Text("Reasoning", event.reasoning)] if event.reasoning else []),
        Text("Response", event.text),
    ]
    fold = Fold(title, tuple(inner), bad=event.error is not None)
    if started.step_id in reading.steps:
        reading.inside.setdefault(started.step_id or "", []).append(fold)
    else:
        yield fold


def _proposed(event: ev.WorkflowProposed) -> Iterator[Block]:
    name = event.workflow_id[:8] if event.workflow_id else "none that can run"
    strict = "" if event.strict_ok else ", repaired: as written it would not run"
    yield Line(f"Workflow {name}, complexity {event.complexity}{strict}.", bad=event.workflow_id is None)
    if event.modification:
        yield Line(f"Modification: {event.modification}")
    if event.code:
        yield Text("Workflow", event.code, "python")
    if event.prompts:
        yield Text("Its prompts", event.prompts, "python")
    for repair in event.repairs:
        yield Line(f"Repaired: {repair.get('message', repair.get('code', ''))}")
    for found in event.diagnostics:
        where = f"line {found['line']}: " if found.get("line") else ""
        text = f"{where}{found.get('message', found.get('code', ''))}"
        yield Line(f"Diagnosis: {text}", bad=found.get("severity") == "error")


def _execution(event: ev.WorkflowFinished, reading: _Reading) -> Iterator[Block]:
    reading.executions.pop(event.execution_id, None)
    yield Line(f"Execution ended: {event.status}, {duration(event.wall_ms)}.", bad=event.status != "ok")
    if event.error:
        yield Text("Error", event.error)
    if event.stdout:
        yield Text("Printed", event.stdout)
    if event.answer is not None:
        yield Text("Its answer", event.answer)


def _code(event: ev.CodeExecuted, reading: _Reading) -> None:
    status = str(event.verdict.get("status", ""))
    inner: list[Block] = [Text("Code", event.code, "python"), *_tests(event.verdict)]
    inner += [
        Text(stream, text)
        for stream in ("stdout", "stderr")
        if isinstance(text := event.verdict.get(stream), str) and text
    ]
    fold = Fold(f"{event.purpose}: {status}", tuple(inner), bad=status not in ("passed", "ok"))
    reading.inside.setdefault(event.step_id or "", []).append(fold)


def _step(event: ev.StepFinished, reading: _Reading) -> Iterator[Block]:
    step = reading.steps.pop(event.step_id, None)
    inside = reading.inside.pop(event.step_id, [])
    if step is None:
        return
    line = f" (line {step.line})" if step.line else ""
    reused = ", from the record" if event.reused else ""
    tokens = event.tokens_in + event.tokens_out
    spent = f"{duration(event.wall_ms)}, {plural(tokens, 'token')}, {cost(event.cost_usd, UNKNOWN_COST)}"
    title = f"Step {step.index} {step.operator}{line}: {event.status}{reused}, {spent}"
    inner: list[Block] = [Text("Inputs", _json(step.inputs), "json"), *inside]
    inner.append(Text("Output", _json(event.output), "json"))
    inner += [Text(name, text) for name, text in (("Error", event.error), ("Printed", event.stdout)) if text]
    inner += [Text("Note", f"{note.get('text')} [{note.get('code')}]") for note in event.notes]
    yield Fold(title, tuple(inner), bad=event.status != "ok")


def _evaluated(event: ev.EvaluationFinished) -> Iterator[Block]:
    told = "no verdict" if event.score is None else f"{event.passed} of {event.total} passed"
    notes = "" if event.strict else "; the workflow had been repaired"
    notes += "; model-written tests" if event.tests_written_by == "model" else ""
    title = f"Verdict on the {event.split} tests: {told}, score {score(event.score)}{notes}"
    yield Fold(title, tuple(_tests(event.verdict)), bad=event.score != 1)


def _tests(verdict: dict[str, Any]) -> Iterator[Block]:
    if message := verdict.get("message"):
        yield Line(str(message), bad=True)
    for test in verdict.get("tests") or ():
        status = str(test.get("status", ""))
        text = f"{test.get('name', 'test')}: {status} {test.get('message') or ''}".strip()
        yield Line(text, bad=status != "passed")


def _finished(event: ev.RunFinished) -> Iterator[Block]:
    yield Heading("Result", 2)
    yield Facts(
        (
            ("status", event.status),
            ("test score", score(event.score)),
            ("val score", score(event.val_score)),
            ("model calls", count(event.model_calls)),
            ("steps", count(event.steps)),
            ("tokens", f"{count(event.tokens_in)} in, {count(event.tokens_out)} out"),
            ("cost", cost(event.cost_usd)),
            ("time", duration(event.wall_ms)),
        )
    )
    if event.error:
        yield Line(event.error, bad=True)
    if event.answer is not None:
        yield Text("Answer", event.answer)


def remarks(findings: list[dict[str, Any]], notes: list[tuple[str, str]]) -> Iterator[Block]:
    """What the classifier found in the run, and what people say of it (kind and value)."""
    if not findings and not notes:
        return
    yield Heading("Remarks", 2)
    for found in findings:
        yield Fold(f"{found.get('label', '')}", (Text("Evidence", _json(found), "json"),), bad=True)
    for kind, value in notes:
        if kind != "label":
            yield Line(f"{kind}: {value}" if value else kind)


def _json(value: Any) -> str:
    """As it reads best: texts as they are, texts by name as sections, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and all(isinstance(v, str) for v in value.values()):
        return "\n".join(f"{k}: {v}" for k, v in value.items())
    return json.dumps(value, ensure_ascii=False, indent=1, default=repr)
