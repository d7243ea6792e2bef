"""Between a run and whoever shows it: stored first, and ended when nobody looks any more."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from engine.events import Event, Notice
from store.errors import StoreError
from store.reader import Reader
from store.recorder import Recorder
from store.recording import recorded
from tests.store.samples import finished, started, whole_run


class Endless:
    """A run that goes on until it is cancelled, and then says so."""

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()
        self.closed = False

    async def events(self) -> AsyncIterator[Event]:
        seq = 0
        try:
            yield started()
            while not self._cancelled.is_set():
                seq += 1
                yield Notice(run_id="r1", seq=seq, at=1.0, level="info", text="on and on")
                await asyncio.sleep(0)
            yield finished(seq=seq + 1, status="cancelled")
        finally:
            self.closed = True

    def cancel(self) -> None:
        self._cancelled.set()


class Scripted:
    """A run that is over after the given events."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    async def events(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event

    def cancel(self) -> None:
        pass


async def test_what_is_shown_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shown: list[Event] = []
    async with Recorder(path) as recorder:
        async for event in recorded(Scripted(whole_run()), recorder):
            shown.append(event)
            if event.milestone:
                assert len(list(Reader(path).events("r1"))) >= len(shown)

    assert shown == whole_run()
    assert list(Reader(path).events("r1")) == shown


async def test_leaving_early_ends_the_run_and_stores_its_end(tmp_path: Path) -> None:
    run = Endless()
    async with Recorder(tmp_path / "store.db") as recorder:
        async with aclosing(recorded(run, recorder)) as events:
            await anext(events)
        assert run.closed

    assert Reader(tmp_path / "store.db").run("r1").status == "cancelled"


async def test_an_event_that_cannot_be_stored_ends_the_run(tmp_path: Path) -> None:
    run = Endless()
    async with Recorder(tmp_path / "store.db") as recorder:
        await recorder.record(started())
        await recorder.record(dataclasses.replace(finished(), seq=1))
        with pytest.raises(StoreError, match="cannot be stored"):
            async for _ in recorded(run, recorder):
                pass
        assert run.closed


async def test_nothing_is_lost_however_early_the_reader_leaves(tmp_path: Path) -> None:
    """Cancelled after each number of turns of the loop: what the run did is stored, without gaps."""
    for turns in range(12):
        path = tmp_path / f"{turns}.db"
        async with Recorder(path) as recorder:

            async def watch(recorder: Recorder = recorder) -> None:
                async with aclosing(recorded(Scripted(whole_run()), recorder)) as events:
                    async for _ in events:
                        pass

            task = asyncio.ensure_future(watch())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        with Reader(path) as reader:
            rows = reader.runs().rows
            stored = [e.seq for row in rows for e in reader.events(row.id)]
        assert stored in ([], [e.seq for e in whole_run()])
