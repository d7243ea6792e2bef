"""A run's events as plain lines, for pipes, logs and people without a screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelLoading,
    ModelRetry,
    Notice,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StepFinished,
    StepStarted,
    TestsWritten,
    ValueEdited,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.judging import remedy, told
from tui.format import UNKNOWN_COST, cost, count, duration, plural, score
from tui.safe import clean, one_line
from tui.trace.left_files import left_files

WIDTH = 160
MAX_ANSWER, MAX_ANSWER_LINES = 20_000, 200  # characters and lines of an answer that are printed


class PlainTrace:
    """Turns each event into lines of text. Feed it the events of one run in order."""

    def __init__(self) -> None:
        self._steps: dict[str, StepStarted] = {}
        self._executions: dict[str, WorkflowStarted] = {}
        self._calls: dict[str, ModelCallStarted] = {}

    def lines(self, event: Event) -> Iterator[str]:
        """The lines for `event`; none for events that a reader does not need."""
        match event:
            case RunStarted():
                yield from self._run_started(event)
            case Notice():
                yield f"{event.level}: {one_line(event.text, WIDTH)}"
            case TestsWritten():
                yield from (f"  visible (model-written): {one_line(t, WIDTH)}" for t in event.visible)
                yield from (
                    f"  doubtful, not used (model-written): {one_line(t, WIDTH)}" for t in event.doubtful
                )
            case RoundStarted():
                yield f"round {event.round}"
            case ModelLoading():
                yield _loading(event)
            case ModelCallStarted():
                self._calls[event.call_id] = event
            case ModelRetry():
                yield f"  retry {event.attempt} in {event.wait_s:.1f} s: {one_line(event.reason, WIDTH)}"
            case ModelCallFinished():
                yield from self._call_finished(event)
            case WorkflowProposed():
                yield from _proposed(event)
            case WorkflowStarted():
                self._executions[event.execution_id] = event
            case StepStarted():
                self._steps[event.step_id] = event
            case CodeExecuted():
                yield from self._executed(event)
            case StepFinished():
                yield from self._step_finished(event)
            case WorkflowFinished() if event.status != "ok":
                where = self._where(event.execution_id)
                yield f"  {where} ended: {event.status}: {one_line(event.error or '', WIDTH)}"
            case EvaluationFinished():
                yield self._evaluated(event)
            case RoundFinished():
                yield f"  round {event.round}: val {score(event.score)}"
            case RunPaused():
                place = " ".join(p for p in (event.where, event.operator) if p)
                line = f", line {event.line}" if event.line else ""
                yield f"  paused {one_line(place, WIDTH)}{line} ({one_line(event.reason, WIDTH)})"
            case RunResumed():
                yield f"  continued: {one_line(event.action, WIDTH)}"
            case ValueEdited():
                yield f"  edited {event.what}: {one_line(str(event.value), WIDTH)}"
            case RunFinished():
                yield from _finished(event)
            case _:
                return

    def _run_started(self, event: RunStarted) -> Iterator[str]:
        problem = event.problem
        yield f"run {event.run_id}: {event.variant}, meta-agent {event.meta_agent}, worker {event.worker}"
        if parent := event.origin.get("parent"):
            yield f"from run {one_line(str(parent))}"
        yield f"sandbox {event.sandbox}, seed {event.seed}, problem {one_line(str(problem.get('id', '')))}"
        yield from (f"  | {line}" for line in clean(str(problem.get("prompt", ""))).splitlines()[:20])
        for test in problem.get("tests", {}).get("visible", [])[:5]:
            yield f"  visible: {one_line(test, WIDTH)}"

    def _call_finished(self, event: ModelCallFinished) -> Iterator[str]:
        call = self._calls.get(event.call_id)
        if call is None or call.role != "meta":
            return
        spent = f"{count(event.tokens_out)} tokens, {duration(event.wall_ms)}"
        yield f"  meta-agent {call.model}: {event.error or spent}"
        if event.reasoning:
            yield f"  thinking: {one_line(event.reasoning, WIDTH)}"

    def _where(self, execution_id: str | None) -> str:
        execution = self._executions.get(execution_id or "")
        return f"{execution.purpose} {execution.repeat}" if execution else "execution"

    def _step_finished(self, event: StepFinished) -> Iterator[str]:
        step = self._steps.get(event.step_id)
        if step is None:
            yield f"  step {event.step_id}: {event.status}"
            return
        tokens = event.tokens_in + event.tokens_out
        spent = [duration(event.wall_ms), plural(tokens, "token") if tokens else ""]
        told = event.error if event.status != "ok" else _summary(event.output)
        reused = " (from the record)" if event.reused else ""
        head = (
            f"  {self._where(step.execution_id)} · step {step.index} {step.operator}{reused}: {event.status}"
        )
        yield f"{head}, {', '.join(s for s in spent if s)}: {one_line(told or '', WIDTH)}"
        yield from (f"      note: {one_line(str(note.get('text')), WIDTH)}" for note in event.notes)

    def _executed(self, event: CodeExecuted) -> Iterator[str]:
        step = self._steps.get(event.step_id or "")
        where = self._where(step.execution_id if step else None)
        tests = event.verdict.get("tests")
        if not tests:
            left = left_files(event.verdict)
            what = f"{event.verdict.get('status')}{f', left {left}' if left else ''}"
            yield f"  {where} · {event.purpose}: {what}"
            return
        passed = sum(t.get("status") == "passed" for t in tests)
        judged = _judged(event.verdict)
        tail = f" ({judged})" if judged else ""
        yield f"  {where} · {event.purpose}: {passed} of {len(tests)} passed{tail}"
        for test in tests:
            if test.get("status") != "passed":
                yield f"      failed: {one_line(str(test.get('message') or test.get('status')), WIDTH)}"

    def _evaluated(self, event: EvaluationFinished) -> str:
        result = "no verdict" if event.score is None else f"{event.passed} of {event.total} passed"
        notes = [] if event.strict else ["repaired workflow; as written it would not run"]
        if event.tests_written_by == "model":
            notes.append("model-written tests")
        notes += [note for note in (_judged(event.verdict), remedy(event.verdict)) if note]
        tail = f" ({'; '.join(notes)})" if notes else ""
        return f"  {self._where(event.execution_id)} · {event.split} tests: {result}{tail}"


def _judged(verdict: Mapping[str, Any]) -> str:
    """How a verdict on tests was reached."""
    return f"judged {words}" if (words := told(verdict.get("mode"))) else ""


def _loading(event: ModelLoading) -> str:
    model = one_line(event.model, WIDTH)
    if event.wall_ms is None:
        return f"loading {model}"
    took = duration(event.wall_ms)
    return f"{model} was not loaded, after {took}" if event.failed else f"{model} loaded in {took}"


def _proposed(event: WorkflowProposed) -> Iterator[str]:
    if event.modification:
        yield f"  modification: {one_line(event.modification, WIDTH)}"
    if event.workflow_id:
        names = ["operators chosen as it runs"] if event.graph.get("chooses") else []
        operators = " → ".join([*names, *(str(n.get("attribute")) for n in event.graph.get("nodes", []))])
        name = event.workflow_id[:8]
        yield f"  workflow {name}, complexity {event.complexity}: {one_line(operators, WIDTH)}"
        yield from (f"  | {line}" for line in clean(event.code).splitlines())
    for repair in event.repairs:
        yield f"  repaired: {one_line(str(repair.get('message')), WIDTH)}"
    for diagnostic in event.diagnostics:
        line = f"line {diagnostic['line']}: " if diagnostic.get("line") else ""
        yield f"  {diagnostic.get('severity')}: {line}{one_line(str(diagnostic.get('message')), WIDTH)}"


def _finished(event: RunFinished) -> Iterator[str]:
    if event.answer is not None:
        yield "answer"
        yield from _answer(event.answer)
    if event.error:
        yield f"error: {one_line(event.error, WIDTH * 2)}"
    parts = (
        f"test {score(event.score)}",
        f"val {score(event.val_score)}",
        plural(event.model_calls, "model call"),
        plural(event.steps, "step"),
        f"{count(event.tokens_in)} + {count(event.tokens_out)} tokens",
        cost(event.cost_usd, UNKNOWN_COST),
        duration(event.wall_ms),
    )
    yield f"{event.status}: {', '.join(parts)}"


def _answer(answer: str) -> Iterator[str]:
    """As much of the answer as fits a screen, with a note on how much that is."""
    shown = answer[:MAX_ANSWER]
    lines = clean(shown).splitlines()
    yield from (f"  | {line}" for line in lines[:MAX_ANSWER_LINES])
    if len(shown) < len(answer) or len(lines) > MAX_ANSWER_LINES:
        yield f"  | … {count(len(answer))} characters in all; `show RUN --json` prints the whole answer"


def _summary(output: Any) -> str:
    """An operator's result in one line: its feedback or text, shortened by the caller."""
    if not isinstance(output, dict):
        return str(output)
    if "result" in output:
        return str(output.get("feedback", output["result"]))
    return str(next(iter(output.values()), ""))
