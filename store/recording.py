"""A run's events on their way to whoever shows them: stored first, shown after (invariant I5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from engine.events import Event
from store.recorder import Recorder

_AHEAD = 512  # events that may be on their way to the store at once
_Write = tuple[Event, "asyncio.Future[None]"]


class Recordable(Protocol):
    """What is recorded: `engine.runner.Run`."""

    def events(self) -> AsyncIterator[Event]: ...

    def cancel(self) -> None: ...


async def recorded(run: Recordable, recorder: Recorder) -> AsyncGenerator[Event, None]:
    """Start `run`; yield each of its events once `recorder` has it.

    Leaving the iteration, by an error or a cancellation, cancels the run and waits until its end is
    stored. Raises StoreError when an event cannot be stored; the run is then cancelled too.
    """
    writes: asyncio.Queue[_Write | None] = asyncio.Queue(_AHEAD)

    async def pump() -> None:
        events = run.events()
        try:
            async for event in events:
                # Not awaited here: events that come meanwhile are committed together with the next.
                await writes.put((event, asyncio.ensure_future(recorder.record(event))))
        finally:
            # After a failed write nobody asks for more; closing now ends the run and its containers.
            if isinstance(events, AsyncGenerator):
                await events.aclose()
            await writes.put(None)

    task = asyncio.create_task(pump())
    try:
        while (write := await writes.get()) is not None:
            event, stored = write
            await stored
            yield event
        await task
    finally:
        run.cancel()
        await _drain(writes, task)


async def _drain(writes: asyncio.Queue[_Write | None], pump: asyncio.Task[None]) -> None:
    """Let the run end and its last events be stored, though nobody is shown them."""
    stored: list[asyncio.Future[None]] = []
    while not (pump.done() and writes.empty()):
        getting = asyncio.ensure_future(writes.get())
        await asyncio.wait({getting, pump}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
        elif (write := getting.result()) is not None:
            stored.append(write[1])
    await asyncio.gather(pump, *stored, return_exceptions=True)
