"""One run's events in order: everything that happens is emitted here and read from one queue."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import TypeVar

from engine.events import Event, RunFinished
from engine.secrets import hide_in

E = TypeVar("E", bound=Event)
_STAMPS = frozenset(field.name for field in dataclasses.fields(Event))


class Emitter:
    """Stamps events with run, sequence number and times, and queues them for one reader."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._seq = 0
        self._started = time.monotonic()
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def emit(self, event: E) -> E:
        """Stamp and queue `event`; returns it as the reader will see it, without API keys."""
        content = (field.name for field in dataclasses.fields(event) if field.name not in _STAMPS)
        stamped = dataclasses.replace(
            event,
            **{name: hide_in(getattr(event, name)) for name in content},
            run_id=self.run_id,
            seq=self._seq,
            at=round(time.time(), 6),
            mono=round(time.monotonic() - self._started, 6),
        )
        self._seq += 1
        self._queue.put_nowait(stamped)
        return stamped

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come, ending with RunFinished."""
        while True:
            event = await self._queue.get()
            yield event
            if isinstance(event, RunFinished):
                return
