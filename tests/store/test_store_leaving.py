"""Whoever stops watching a run waits until it has ended and until its last event is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from engine.events import Event, Notice
from store.recording import recorded
from tests.store.samples import finished, started


class SlowToEnd:
    """A run that has something left to do when it is cancelled, and says more while it does."""

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()
        self.ended = False

    async def events(self) -> AsyncIterator[Event]:
        yield started()
        await self._cancelled.wait()
        for seq in range(1, 6):
            for _ in range(20):
                await asyncio.sleep(0)
            yield Notice(run_id="r1", seq=seq, at=1.0, level="info", text="cleaning up")
        self.ended = True
        yield finished(seq=6, status="cancelled")

    def cancel(self) -> None:
        self._cancelled.set()


class Disk:
    """A recorder that writes when the test lets it."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.stored: list[int] = []

    async def record(self, event: Event) -> None:
        await self.free.wait()
        self.stored.append(event.seq)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def leave(events: Any) -> None:
    await events.aclose()


async def test_leaving_waits_until_the_run_has_ended_and_its_end_is_stored() -> None:
    run, disk = SlowToEnd(), Disk()
    disk.free.set()
    events = recorded(run, disk)  # type: ignore[arg-type]
    await anext(events)
    await leave(events)
    assert run.ended
    assert disk.stored == list(range(7))


async def test_leaving_waits_for_a_store_that_is_slow() -> None:
    run, disk = SlowToEnd(), Disk()
    disk.free.set()
    events = recorded(run, disk)  # type: ignore[arg-type]
    await anext(events)
    disk.free.clear()
    leaving = asyncio.create_task(leave(events))
    await turns(500)
    assert run.ended and disk.stored == [0]
    assert not leaving.done()
    disk.free.set()
    await leaving
    assert disk.stored == list(range(7))


async def test_a_reader_that_is_cancelled_waits_as_well() -> None:
    run, disk = SlowToEnd(), Disk()

    async def watch() -> None:
        async for _ in recorded(run, disk):  # type: ignore[arg-type]
            pass

    watching = asyncio.create_task(watch())
    await turns(5)
    watching.cancel()
    await turns(500)
    assert run.ended and not watching.done()
    disk.free.set()
    await asyncio.wait([watching])
    assert watching.cancelled()
    assert disk.stored == list(range(7))
