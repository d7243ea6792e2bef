"""A run's events, gathered by execution and step, and which of them decided its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TestsWritten,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)

# Statuses of runs that failed; a cancelled run did not.
FAILED = frozenset({"failed", "error", "budget", "infra", "interrupted"})
# Ends that say nothing about the workflows proposed on the way.
_CUT_SHORT = frozenset({"budget", "infra", "interrupted"})


@dataclass(eq=False)
class Call:
    """A model call; `finished` is None where it was still in progress when the run ended."""

    started: ModelCallStarted
    finished: ModelCallFinished | None = None


@dataclass
class TracedStep:
    """An operator call, with its model calls and the code that it had run."""

    started: StepStarted
    finished: StepFinished | None = None
    calls: list[Call] = field(default_factory=list)
    code: list[CodeExecuted] = field(default_factory=list)


@dataclass
class Execution:
    """One execution of a workflow, with its steps and the scores of its answer."""

    started: WorkflowStarted
    finished: WorkflowFinished | None = None
    steps: list[TracedStep] = field(default_factory=list)
    evaluations: list[EvaluationFinished] = field(default_factory=list)

    @property
    def failing(self) -> bool:
        """Whether it gave no answer, or an answer that does not pass."""
        if self.finished is None or self.finished.status != "ok":
            return True
        return any(e.score is None or e.score < 1.0 for e in self.evaluations)

    @property
    def answer(self) -> str | None:
        """Its answer; None where it gave none."""
        return self.finished.answer if self.finished else None

    @property
    def calls(self) -> list[Call]:
        """The model calls of its steps, step by step."""
        return [call for step in self.steps for call in step.calls]


@dataclass
class Trace:
    """A run. `visible` are its visible tests; `meta_calls` the calls outside of steps; `proposals` and
    `executions` those of all rounds, in order.
    """

    start: RunStarted | None = None
    end: RunFinished | None = None
    visible: tuple[str, ...] = ()
    meta_calls: list[Call] = field(default_factory=list)
    proposals: list[WorkflowProposed] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether the run has ended, and with a status in `FAILED`."""
        return self.end is not None and self.end.status in FAILED

    @property
    def problem(self) -> dict[str, Any]:
        """The problem as the run's first event holds it; {} where that is missing."""
        return self.start.problem if self.start else {}

    @property
    def is_code(self) -> bool:
        """Whether the problem asks for code."""
        return self.problem.get("kind") == "code"

    @property
    def entry_point(self) -> str | None:
        """The name of the function that is asked for; None where there is none."""
        entry = self.problem.get("entry_point")
        return entry if isinstance(entry, str) else None

    @property
    def deciding_proposals(self) -> list[WorkflowProposed]:
        """The proposal of the scored workflow. Where none was scored, all of them, or none if the run was cut
        short by its budget, the sandbox, a model or the end of its process.
        """
        if self.end is None:
            return []
        scored = [p for p in self.proposals if p.workflow_id and p.workflow_id == self.end.workflow_id]
        if scored:
            return scored[-1:]
        return [] if self.end.status in _CUT_SHORT else self.proposals

    @property
    def deciding(self) -> list[Execution]:
        """The executions that decided the run: the final ones, or all if there was no final one."""
        final = [e for e in self.executions if e.started.purpose in ("test", "answer")]
        return final or self.executions

    @property
    def failing(self) -> list[Execution]:
        """Those of `deciding` that went wrong."""
        return [e for e in self.deciding if e.failing]

    @property
    def calls(self) -> list[Call]:
        """The calls of failing executions, and those outside of steps if no proposal could run."""
        runnable = any(p.workflow_id for p in self.proposals)
        calls = [call for execution in self.failing for call in execution.calls]
        return calls if runnable else [*self.meta_calls, *calls]


def trace_of(events: Iterable[Event]) -> Trace:
    """The trace of one run, from its events in order. Events about things whose start is missing are
    left out.
    """
    trace = Trace()
    executions: dict[str | None, Execution] = {}
    steps: dict[str | None, TracedStep] = {}
    calls: dict[str, Call] = {}
    for event in events:
        match event:
            case RunStarted():
                trace.start, trace.visible = event, _visible(event.problem)
            case TestsWritten():
                trace.visible = event.visible
            case ModelCallStarted():
                call = calls[event.call_id] = Call(event)
                step = steps.get(event.step_id)
                (step.calls if step else trace.meta_calls).append(call)
            case ModelCallFinished() if event.call_id in calls:
                calls[event.call_id].finished = event
            case WorkflowProposed():
                trace.proposals.append(event)
            case WorkflowStarted():
                executions[event.execution_id] = execution = Execution(event)
                trace.executions.append(execution)
            case WorkflowFinished() if event.execution_id in executions:
                executions[event.execution_id].finished = event
            case StepStarted() if event.execution_id in executions:
                step = steps[event.step_id] = TracedStep(event)
                executions[event.execution_id].steps.append(step)
            case StepFinished() if event.step_id in steps:
                steps[event.step_id].finished = event
            case CodeExecuted() if event.step_id in steps:
                steps[event.step_id].code.append(event)
            case EvaluationFinished() if event.execution_id in executions:
                executions[event.execution_id].evaluations.append(event)
            case RunFinished():
                trace.end = event
            case _:
                pass
    return trace


def _visible(problem: dict[str, Any]) -> tuple[str, ...]:
    tests = problem.get("tests")
    visible = tests.get("visible") if isinstance(tests, dict) else None
    return tuple(t for t in visible if isinstance(t, str)) if isinstance(visible, list) else ()
