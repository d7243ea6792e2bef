"""The pace at which a recorded run is shown: the one it had, or faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.events import Event

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
# Nobody watches a model think for minutes: a longer stretch without an event takes this long, at any speed.
LONGEST_S = 2.0
_CATCH_UP_S = 1.0

# Told of a stretch that is shortened, in recorded seconds.
Shortened = Callable[[float], object]


class Pace:
    """How fast a recorded run is shown; it can be changed while it is."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.paused = False
        self._due: float | None = None  # when the last event was to come, by the loop's clock
        self._changed = asyncio.Event()

    def toggle(self) -> None:
        self._set(self.speed, not self.paused)

    def faster(self) -> None:
        self._set(next((s for s in SPEEDS if s > self.speed), SPEEDS[-1]), self.paused)

    def slower(self) -> None:
        self._set(next((s for s in reversed(SPEEDS) if s < self.speed), SPEEDS[0]), self.paused)

    def _set(self, speed: float, paused: bool) -> None:
        self.speed, self.paused = speed, paused
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Let so many recorded seconds pass since the last call's, at whatever speed holds meanwhile.

        Who is late, because drawing took its time, does not wait, until it has caught up.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        before = now if self._due is None else max(self._due, now - _CATCH_UP_S)
        self._due = before + seconds / self.speed
        while self._due > now or self.paused:
            changed, speed, left = self._changed, self.speed, max(self._due - now, 0.0)
            stood = self.paused
            with suppress(TimeoutError):
                async with asyncio.timeout(None if stood else left):
                    await changed.wait()
            passed = 0.0 if stood else loop.time() - now
            now = loop.time()
            # What is left of it takes as long as the speed that holds now makes it.
            self._due = now + (left - passed) * speed / self.speed


async def paced(
    events: AsyncIterator[Event], pace: Pace, shortened: Shortened = lambda _: None
) -> AsyncGenerator[Event, None]:
    """The events, each when it is due."""
    before: float | None = None
    async for event in events:
        gap = 0.0 if before is None else max(event.mono - before, 0.0)
        before = event.mono
        if gap / pace.speed > LONGEST_S:
            shortened(gap)
            gap = LONGEST_S * pace.speed
        await pace.wait(gap)
        yield event
