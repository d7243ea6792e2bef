"""The events of a run on screen, and the run as it was after any of them.

Copies of the state are kept every so many events while the run goes by; any other position is reached
from the copy before it. A copy shares its nodes with the run (`RunState.fork`), so that it costs a
dictionary; how many there are is bounded, and with it how far the way from one is.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING

from tui.trace.state import RunState

if TYPE_CHECKING:
    from engine.events import Event

FIRST_STRIDE = 256
MAX_COPIES = 24
# Events applied before the loop gets a turn: about 2 ms of work.
BURST = 100


class _Copies:
    """States by position, at most `MAX_COPIES`: when there are more, every second one is dropped."""

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self._at: list[int] = []
        self._states: dict[int, RunState] = {}

    def offer(self, position: int, state: RunState) -> None:
        """Keep a copy of `state` where one is due."""
        if position % self.stride or position in self._states or (self._at and position < self._at[-1]):
            return
        self._at.append(position)
        self._states[position] = state.fork()
        if len(self._at) > MAX_COPIES:
            self.stride *= 2
            self._states = {at: s for at, s in self._states.items() if at % self.stride == 0}
            self._at = sorted(self._states)

    def before(self, position: int) -> tuple[int, RunState] | None:
        """The last copy at or before `position`."""
        index = bisect_right(self._at, position) - 1
        return None if index < 0 else (self._at[index], self._states[self._at[index]])


class History:
    """Position n is the run after its first n events. `add` what happens; `seek` a position."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._copies = _Copies(FIRST_STRIDE)
        self._fine = _Copies(FIRST_STRIDE)
        self._base = -1  # the copy that the fine ones lie behind
        self._state = RunState()
        self._position = 0

    def __len__(self) -> int:
        return len(self.events)

    def add(self, event: Event, state: RunState) -> None:
        """Take note of an event that was applied to `state`."""
        self.events.append(event)
        self._copies.offer(len(self.events), state)

    async def seek(self, position: int) -> RunState:
        """The run after its first `position` events; good until the next call.

        Going forward changes the state given before; going back gives another one.
        """
        position = max(0, min(position, len(self.events)))
        self._start_near(position)
        while self._position < position:
            for _ in range(min(BURST, position - self._position)):
                self._state.apply(self.events[self._position])
                self._position += 1
                self._fine.offer(self._position, self._state)
            if self._position < position:
                await asyncio.sleep(0)
        return self._state

    def _start_near(self, position: int) -> None:
        """Be at the nearest known place at or before `position`."""
        base, coarse = self._copies.before(position) or (0, RunState())
        if base != self._base:
            self._base = base
            self._fine = _Copies(max(self._copies.stride // MAX_COPIES, 16))
        at, state = max(self._fine.before(position) or (base, coarse), (base, coarse), key=lambda c: c[0])
        if not at <= self._position <= position:
            self._position, self._state = at, state.fork()

    def milestone(self, position: int, by: int) -> int:
        """The nearest position before (`by` -1) or after (1) this one whose last event is no mere piece
        of text that streams; 0 and the end are such positions.
        """
        position += by
        while 0 < position < len(self.events) and not self.events[position - 1].milestone:
            position += by
        return max(0, min(position, len(self.events)))
