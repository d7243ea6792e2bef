"""The record of a run, as far as a fork needs it: steps, calls outside of steps, workflows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    ValueEdited,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.ids import derived_seed
from engine.models.base import Message

# Statuses of steps that are served again. The others say nothing about the step: the sandbox, a model or the
# budget kept it from its end, so in a fork it runs.
SERVED = ("ok", "error", "timeout")


@dataclass
class RecordedStep:
    """A step of a run. `started` and `finished` are the sequence numbers of its events, `finished` is None
    where it never ended. `prompts` are the messages of each of its model calls.
    """

    id: str
    execution_id: str
    index: int
    operator: str
    line: int | None
    key: str
    inputs: dict[str, Any]
    started: int
    finished: int | None = None
    status: str = "running"
    output: Any = None
    error: str | None = None
    stdout: str = ""
    reused: bool = False
    notes: tuple[dict[str, str], ...] = ()
    prompts: list[tuple[dict[str, str], ...]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it has a result, good or bad, that can be served again."""
        return self.finished is not None and self.status in SERVED


@dataclass(frozen=True)
class OutsideCall:
    """A model call outside of steps that was answered. `edited` says that a person had changed its
    messages.
    """

    start: ModelCallStarted
    end: ModelCallFinished
    edited: bool

    @property
    def messages(self) -> list[Message]:
        """What was asked."""
        return [Message(role=m["role"], content=m["content"]) for m in self.start.messages]  # type: ignore[typeddict-item]


# The kinds of events that a record is made of.
KINDS = tuple(
    cls.kind
    for cls in (
        RunStarted,
        WorkflowStarted,
        StepStarted,
        StepFinished,
        ValueEdited,
        ModelCallStarted,
        ModelCallFinished,
        WorkflowProposed,
        RunFinished,
    )
)


class RunRecord:
    """A run, from its events of `KINDS` in order. Raises ValueError where they do not begin with its start.

    `executions` and `steps` are by id, `calls` are those outside of steps in the order in which they ended.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        stream = iter(events)
        start = next(stream, None)
        if not isinstance(start, RunStarted):
            raise ValueError("the record of the run does not begin with its start")
        self.start = start
        self.end: RunFinished | None = None
        self.executions: dict[str, WorkflowStarted] = {}
        self.steps: dict[str, RecordedStep] = {}
        self.calls: list[OutsideCall] = []
        self.proposals: list[WorkflowProposed] = []
        self._asked: dict[str, tuple[ModelCallStarted, bool]] = {}
        self._edited: ValueEdited | None = None
        for event in stream:
            self._add(event)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.start.run_id

    def seed_of(self, execution_id: str) -> int:
        """The seed of an execution. Two executions of a run have the same seed where one is the other,
        started again.
        """
        e = self.executions[execution_id]
        draws_from = self.start.config.get("worker_seed", self.start.seed)
        return derived_seed(draws_from, e.purpose, e.round, e.repeat)

    def place(self, step: RecordedStep) -> str:
        """The place of a step as the trace shows it, such as "val 1 · step 3", with the round where it
        matters.
        """
        e = self.executions.get(step.execution_id)
        if e is None:
            return f"step {step.index}"
        rounds = {o.round for o in self.executions.values() if (o.purpose, o.repeat) == (e.purpose, e.repeat)}
        lead = f"round {e.round} " if len(rounds) > 1 else ""
        return f"{lead}{e.purpose} {e.repeat} · step {step.index}"

    def _add(self, event: Event) -> None:
        match event:
            case WorkflowStarted():
                self.executions[event.execution_id] = event
            case StepStarted():
                self.steps[event.step_id] = RecordedStep(
                    event.step_id,
                    event.execution_id,
                    event.index,
                    event.operator,
                    event.line,
                    event.key,
                    event.inputs,
                    event.seq,
                )
            case StepFinished() if (step := self.steps.get(event.step_id)) is not None:
                step.finished, step.status, step.reused = event.seq, event.status, event.reused
                step.output, step.error, step.stdout = event.output, event.error, event.stdout
                step.notes = event.notes
            case ValueEdited(step_id=None, what="messages"):
                self._edited = event
            case ModelCallStarted(step_id=None):
                edited = self._edited is not None and list(event.messages) == self._edited.value
                self._asked[event.call_id] = (event, edited)
                self._edited = None
            case ModelCallStarted() if (step := self.steps.get(event.step_id or "")) is not None:
                step.prompts.append(event.messages)
            case ModelCallFinished(error=None) if event.call_id in self._asked:
                start, edited = self._asked.pop(event.call_id)
                self.calls.append(OutsideCall(start, event, edited))
            case WorkflowProposed():
                self.proposals.append(event)
            case RunFinished():
                self.end = event
            case _:
                pass
