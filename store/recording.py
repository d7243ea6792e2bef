"""A run's events on their way to whoever shows them: stored first, shown after (invariant I5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from engine.events import Event
from store.recorder import Recorder

_Write = tuple[Event, "asyncio.Future[None]"]


class Recordable(Protocol):
    """What is recorded: `engine.runner.Run`."""

    def events(self) -> AsyncIterator[Event]:
        """The run's events in order; iterating starts the run."""
        ...

    def cancel(self) -> None:
        """Ask the run to end; its last event still comes."""
        ...


async def recorded(run: Recordable, recorder: Recorder) -> AsyncGenerator[Event, None]:
    """Start `run`; yield each of its events once `recorder` has it.

    Leaving the iteration, by an error or a cancellation, cancels the run and waits until its end is
    stored. Raises StoreError when an event cannot be stored; the run is then cancelled too.
    """
    # Unbounded: recording must not wait for whoever watches.
    writes: asyncio.Queue[_Write | None] = asyncio.Queue()

    async def pump() -> None:
        events = run.events()
        try:
            async for event in events:
                # Not awaited here: events that come meanwhile are committed together with the next.
                writes.put_nowait((event, asyncio.ensure_future(recorder.record(event))))
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()
            writes.put_nowait(None)

    task = asyncio.create_task(pump())
    unseen: list[asyncio.Future[None]] = []
    try:
        while (write := await writes.get()) is not None:
            event, stored = write
            unseen = [stored]
            await asyncio.wait(unseen)  # unlike awaiting it, a cancellation here leaves the write alone
            stored.result()
            yield event
        await task
    finally:
        run.cancel()
        await asyncio.wait([task])
        while not writes.empty():
            if (write := writes.get_nowait()) is not None:
                unseen.append(write[1])
        await asyncio.gather(*unseen, return_exceptions=True)
