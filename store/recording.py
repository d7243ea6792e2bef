"""A run's events on their way to whoever shows them: stored first, shown after (invariant I5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from engine.events import Event
from store.recorder import Recorder


class Recordable(Protocol):
    """What is recorded: `engine.runner.Run`."""

    def events(self) -> AsyncIterator[Event]: ...

    def cancel(self) -> None: ...


async def recorded(run: Recordable, recorder: Recorder) -> AsyncGenerator[Event, None]:
    """Start `run`; yield each of its events once `recorder` has it.

    Leaving the iteration, by an error or a cancellation, cancels the run and waits until its end is
    stored. Raises StoreError when an event cannot be stored; the run is then cancelled too.
    """
    shown: asyncio.Queue[Event | None] = asyncio.Queue()

    async def pump() -> None:
        events = run.events()
        try:
            async for event in events:
                await recorder.record(event)
                shown.put_nowait(event)
        finally:
            # After a failed write nobody asks for more; closing now ends the run and its containers.
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    task = asyncio.create_task(pump())
    task.add_done_callback(lambda _: shown.put_nowait(None))
    try:
        while (event := await shown.get()) is not None:
            yield event
        await task
    finally:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
