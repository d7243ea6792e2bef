"""One run on the screens: its state, and whichever source its events come from."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from engine.events import StepStarted
from tui.service.records import Records
from tui.trace.history import BURST, History
from tui.trace.pace import Pace, paced
from tui.trace.state import RunState

if TYPE_CHECKING:
    from engine.events import Event
    from tui.service.requests import RunRequest

# Objects added by one load from which on a collection of them would be felt.
FREEZE_OBJECTS = 20_000
FOLLOW_SECONDS = 1.0


class RunSession:
    """A run being watched. `drive` it live or `load` it from the store; the screens cannot tell which.

    `clock` returns seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float], *, live: bool, title: str = "") -> None:
        self.state = RunState()
        self.history = History()
        self.shown = self.state  # what the screens show: the run, or the run as it was
        self.position: int | None = None  # after how many events that was; None is now
        self.live = live
        self.pace: Pace | None = None  # how fast a run of the store is played
        self.run_id = ""  # once it is known
        self.request: RunRequest | None = None  # what was asked for, where it was asked for here
        self.breakpoints: list[str] = []
        self.loading = not live
        self._title = title
        self._clock = clock
        self._heard = clock()

    @property
    def title(self) -> str:
        """The problem's id, once it is known."""
        return self.state.problem_id or self._title

    @property
    def never_began(self) -> bool:
        """Whether this is a run that was asked for and could not be started."""
        return self.request is not None and not self.run_id and self.state.finished

    @property
    def at(self) -> int:
        """After how many events the run is shown."""
        return len(self.history) if self.position is None else self.position

    def since_last_event(self) -> float:
        """Seconds since the last event, for a running clock.

        0 once the run or its recording ended, where the past is shown, and in a replay.
        """
        if self.position is not None or self.pace is not None:
            return 0.0
        return 0.0 if self.state.finished or not self.live else max(self._clock() - self._heard, 0.0)

    def take(self, event: Event) -> None:
        """Bring the state and the history up to date with the run's next event."""
        self.state.apply(event)
        self.history.add(event, self.state)
        self._heard = self._clock()

    def again(self) -> RunSession:
        """A session that plays this run from its start, at the pace that this one has."""
        session = RunSession(self._clock, live=True, title=self.title)
        session.pace = Pace(self.pace.speed if self.pace else 1.0)
        return session

    async def look_back(self, position: int) -> None:
        """Show the run as it was after `position` events; as it is, where that is all of them."""
        if position >= len(self.history):
            self.position, self.shown = None, self.state
        else:
            past = await self.history.seek(max(position, 0))
            self.position, self.shown = max(position, 0), past

    def step_at(self, by: int) -> int:
        """The position of the next step's start in either direction (1 or -1), or either end."""
        history, position = self.history, self.at + by
        while 0 < position < len(history) and not isinstance(history.events[position - 1], StepStarted):
            position += by
        return position

    async def drive(self, events: AsyncGenerator[Event, None]) -> None:
        """Follow a live run to its end. Raises what `events` raises."""
        count = 0
        async with aclosing(events):
            async for event in events:
                self.take(event)
                count += 1
                if count % BURST == 0:
                    await asyncio.sleep(0)

    async def read(self, records: Records, run_id: str) -> None:
        """Read a run of the store; one that is in progress elsewhere is followed until it ends.

        Raises StoreError where there is no such run, or it cannot be read.
        """
        run_id = (await records.run(run_id)).id
        await self.load(records, run_id)
        while not self.state.finished:
            row = await records.run(run_id)
            if row.status != "running":
                await self.load(records, run_id)
                self.state.close(row.status, row.error)
                break
            await asyncio.sleep(FOLLOW_SECONDS)
            if await records.changed():
                await self.load(records, run_id)

    async def play(self, records: Records, run_id: str, pace: Pace) -> None:
        """Play a run of the store, each event when it is due. Raises StoreError where it cannot be read."""

        async def stored() -> AsyncGenerator[Event, None]:
            async for chunk in records.events(run_id):
                for event in chunk:
                    yield event

        await self.drive(paced(stored(), pace))
        self.state.close("interrupted", "The record stops before the run's end.")

    async def load(self, records: Records, run_id: str) -> None:
        """Read those events of a stored run that this session lacks.

        Raises StoreError where they cannot be read.
        """
        with few_collections():
            async for chunk in records.events(run_id, self.state.last_seq):
                for start in range(0, len(chunk), BURST):
                    for event in chunk[start : start + BURST]:
                        self.take(event)
                    await asyncio.sleep(0)
        self.loading = False


@contextmanager
def few_collections() -> Iterator[None]:
    """Keep the garbage collector from walking a large trace.

    A full collection over 10,000 steps holds the event loop for 100 ms, again and again while the trace
    grows. A state has no reference cycles, so leaving it out of collections leaks nothing.
    """
    gc.disable()
    before = gc.get_count()[0]
    try:
        yield
    finally:
        if gc.get_count()[0] - before > FREEZE_OBJECTS:
            gc.freeze()
        gc.enable()
