"""The order of a fork's steps: those that are served start and finish in the parent's order.

The parent's order is possible, since it happened, so a workflow that does the same again arrives at each
step. An execution that does something else leaves the order, and from then on none of its steps is held back;
the other executions keep theirs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from engine.forks.record import RecordedStep

Side = Literal["start", "finish"]
# A workflow may differ without showing it (it draws at random, reads a clock) and never come to the step that
# is waited for. After so long without any step, nothing is held back any more.
PATIENCE_S = 10.0


class _Mark(NamedTuple):
    seq: int
    step_id: str
    side: Side


class Order:
    """The starts and finishes of `steps` that are still to come, by execution. `whole` keeps the order across
    executions too, until one of them leaves the record.
    """

    def __init__(self, steps: Iterable[RecordedStep], *, whole: bool) -> None:
        self._whole = whole
        self._to_come: dict[str, deque[_Mark]] = {}
        self._moved = asyncio.Event()
        marks: list[tuple[_Mark, str]] = []
        for step in steps:
            marks.append((_Mark(step.started, step.id, "start"), step.execution_id))
            if step.ended and step.finished is not None:
                marks.append((_Mark(step.finished, step.id, "finish"), step.execution_id))
        for mark, execution_id in sorted(marks):
            self._to_come.setdefault(execution_id, deque()).append(mark)

    async def turn(self, step: RecordedStep, side: Side, is_paused: Callable[[], bool]) -> None:
        """Wait until it is this step's turn to start or finish. After `PATIENCE_S` without any step, in which
        the run was not paused, everything may go on.
        """
        while not self._is_next(step, side):
            moved = self._moved
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await moved.wait()
            except TimeoutError:
                if not is_paused():
                    self._to_come.clear()
                    self._move()

    def passed(self, step: RecordedStep, side: Side) -> None:
        """Note that the step has started or finished."""
        queue = self._to_come.get(step.execution_id)
        if queue and (queue[0].step_id, queue[0].side) == (step.id, side):
            queue.popleft()
            if not queue:
                del self._to_come[step.execution_id]
            self._move()

    def leave(self, execution_id: str) -> None:
        """Note that the execution does something that is not in the record, or has ended."""
        if self._to_come.pop(execution_id, None):
            self._whole = False
            self._move()

    def _is_next(self, step: RecordedStep, side: Side) -> bool:
        queue = self._to_come.get(step.execution_id)
        if queue is None or not any((m.step_id, m.side) == (step.id, side) for m in queue):
            return True
        first = queue[0]
        if (first.step_id, first.side) != (step.id, side):
            return False
        return not self._whole or all(first.seq <= other[0].seq for other in self._to_come.values())

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
