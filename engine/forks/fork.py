"""What a fork serves from its parent's record, and where it leaves the record.

A step is served where the parent has one with the same content address: the same operator, inputs, draw,
sampling and worker. With another worker, only steps that had finished in the parent before the forked step
began are served.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.events import Role
from engine.forks.order import Order
from engine.forks.record import OutsideCall, RecordedStep, RunRecord
from engine.ids import step_key
from engine.models.base import Completion, Message, Sampling
from engine.models.replay import RecordedCall, ReplayModel, call_key

# (role, key of the sampling without the messages): an edited call is found by its seed alone.
_Sampled = tuple[Role, str]


@dataclass(frozen=True)
class StepEdit:
    """What is changed at the step where a fork leaves its parent.

    `inputs` are all of the operator's arguments; `prompt` is the user's message of its first model call; None
    changes nothing. `everywhere` makes the change at every step with the same operator and inputs, which are
    those of the other repeats too.
    """

    inputs: dict[str, Any] | None = None
    prompt: str | None = None
    everywhere: bool = False

    def __bool__(self) -> bool:
        return self.inputs is not None or self.prompt is not None


_UNCHANGED = StepEdit()


@dataclass(frozen=True)
class ServedCall:
    """A recorded call: `model` replays its answer to `messages`, which a person may have edited."""

    model: ReplayModel
    messages: list[Message]
    edited: bool


class Fork:
    """The record behind one run. Without a record, as in a run that is not a fork, nothing is served."""

    def __init__(
        self,
        record: RunRecord | None = None,
        *,
        worker: str = "",
        at: RecordedStep | None = None,
        edit: StepEdit = _UNCHANGED,
        same_job: bool = True,
    ) -> None:
        """`worker` names the fork's worker, `at` is the step where it leaves its parent, None for a plain
        replay. `same_job` is False where it runs another workflow than the parent did.
        """
        self._at, self._edit = at, edit
        self._parents_worker = record.start.worker if record else ""
        self._other_worker = bool(record) and worker != self._parents_worker
        self._by_key: dict[str, RecordedStep] = {}
        self._executions: dict[int, str] = {}
        self._calls: dict[tuple[Role, str], deque[OutsideCall]] = {}
        self._edited_calls: dict[_Sampled, deque[OutsideCall]] = {}
        if record is not None:
            self._read(record)
        # Of an execution that was started again, only the last attempt counts.
        counted = set(self._executions.values())
        steps = [s for s in record.steps.values() if s.execution_id in counted] if record else []
        self.order = Order(steps, whole=same_job)

    def find(self, draw: str, worker: str, sampling: Sampling) -> RecordedStep | None:
        """The parent's step with this content, whether or not it is served; None where it has none."""
        step = self._by_key.get(step_key(draw, worker, sampling.to_json()))
        if step is None and self._other_worker:
            step = self._by_key.get(step_key(draw, self._parents_worker, sampling.to_json()))
        return step

    def edit_of(self, operator: str, inputs: dict[str, Any], step: RecordedStep | None) -> StepEdit:
        """The change to make at a step, which may be none; `step` is the parent's with the same content."""
        at = self._at
        if at is None:
            return _UNCHANGED
        is_alike = self._edit.everywhere and (operator, inputs) == (at.operator, at.inputs)
        return self._edit if is_alike or (step and step.key == at.key) else _UNCHANGED

    def serves(self, step: RecordedStep | None) -> bool:
        """Whether the result of a step that is not edited is served from the record, so that it need not
        run.
        """
        if step is None or not step.ended:
            return False
        return not self._other_worker or self._is_before(step.finished)

    def depart(self, seed: int) -> None:
        """Note that the execution with this seed does something new or has ended, so nothing waits for it."""
        if (execution_id := self._executions.get(seed)) is not None:
            self.order.leave(execution_id)

    def call(self, role: Role, messages: Sequence[Message], sampling: Sampling) -> ServedCall | None:
        """The recorded answer to a call outside of steps; None where the call has to be made. Each recorded
        call is served once.
        """
        params = sampling.to_json()
        waiting = self._calls.get((role, call_key(messages, params)))
        waiting = waiting or self._edited_calls.get((role, call_key((), params)))
        if not waiting:
            return None
        if role == "worker" and self._other_worker and not self._is_before(waiting[0].end.seq):
            return None
        call = waiting.popleft()
        served = call.messages if call.edited else list(messages)
        # Without tokens or cost: these were paid for in the parent.
        answer = Completion(call.end.text, call.end.reasoning, call.end.finish, 0, 0, 0.0, call.end.flags)
        model = ReplayModel(call.start.model, [RecordedCall(call_key(served, params), answer)])
        return ServedCall(model, served, call.edited)

    def _is_before(self, finished: int | None) -> bool:
        return self._at is not None and finished is not None and finished < self._at.started

    def _read(self, record: RunRecord) -> None:
        for step in record.steps.values():
            other = self._by_key.get(step.key)
            if other is None or step.ended or not other.ended:
                self._by_key[step.key] = step
        for execution_id in record.executions:
            self._executions[record.seed_of(execution_id)] = execution_id
        for call in record.calls:
            role, params = call.start.role, call.start.params
            if call.edited:
                self._edited_calls.setdefault((role, call_key((), params)), deque()).append(call)
            else:
                self._calls.setdefault((role, call_key(call.messages, params)), deque()).append(call)
