"""The write-ahead log stays small however many read, and a reader that stays costs no record."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from store import db as opening
from store.reader import Reader
from store.recorder import Recorder
from tests.store.samples import whole_run

LIMIT = 256 * 1024


async def test_the_log_begins_again_once_nobody_reads_of_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOG_LIMIT_BYTES", LIMIT)
    monkeypatch.setattr(opening, "READERS_TIMEOUT_S", 0.01)
    path = tmp_path / "store.db"
    log = path.with_name("store.db-wal")
    recorded = 0

    async def record(recorder: Recorder, runs: int) -> None:
        nonlocal recorded
        for _ in range(runs):
            for event in whole_run(f"r{recorded}"):
                await recorder.record(event)
            recorded += 1

    async with Recorder(path) as recorder:
        await record(recorder, 10)
        assert log.stat().st_size <= 2 * LIMIT  # with one commit beyond the limit before it is seen
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM runs").fetchone() == (10,)
            await record(recorder, 20)
            assert log.stat().st_size > 2 * LIMIT  # what the reader sees is still needed
            assert reader.execute("SELECT count(*) FROM runs").fetchone() == (10,)
        while log.stat().st_size > 2 * LIMIT and recorded < 500:
            await record(recorder, 1)
        assert log.stat().st_size <= 2 * LIMIT
    with Reader(path) as stored:
        assert stored.stats().runs == recorded
        assert list(stored.events("r15")) == whole_run("r15")


async def test_a_reader_in_the_middle_of_something_does_not_hold_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader yields, it has read: between two pages it looks at no state of the store."""
    monkeypatch.setattr(opening, "LOG_LIMIT_BYTES", LIMIT)
    monkeypatch.setattr(opening, "READERS_TIMEOUT_S", 0.01)
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        for event in whole_run("first"):
            await recorder.record(event)
        with Reader(path) as reader:
            begun = [reader.events("first"), reader.every_run(), reader.model_calls("first")]
            assert all(next(iterator) for iterator in begun)
            sizes: list[int] = []
            for number in range(30):
                for event in whole_run(f"r{number}"):
                    await recorder.record(event)
                    sizes.append(path.with_name("store.db-wal").stat().st_size)
                assert reader.changed() and reader.search("answer") and reader.failures.peek("first").asked
            assert max(sizes) <= 2 * LIMIT
            assert sum(later < size for size, later in pairwise(sizes)) > 1
            assert len([event for iterator in begun for event in iterator]) >= len(whole_run()) - 1
