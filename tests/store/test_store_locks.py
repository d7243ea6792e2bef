"""What two want at once: one has it, and the other looks again before it does anything."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from engine.events import ModelDelta
from engine.experiments.plan import Plan
from store import db as opening
from store import experiment_log, interrupted
from store.db import open_writer, write
from store.errors import StoreError
from store.experiment_log import ExperimentLog, create
from store.interrupted import mark_interrupted
from store.reader import Reader
from store.recorder import BATCH_EVENTS, Recorder
from tests.store.samples import started, store, whole_run

T = TypeVar("T")
PLAN = Plan("e", "b", None, None, 1, 1, 1, "m", "w", {"vanilla": "vanilla"}, ("p",), (), "d")


def both(monkeypatch: pytest.MonkeyPatch, module: Any, work: Callable[[], T]) -> list[T | Exception]:
    """What `work` gives to two threads that both come to the lock before either has it."""
    meeting = threading.Barrier(2, timeout=60)

    @contextmanager
    def met(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        meeting.wait()
        with write(db):
            yield db

    monkeypatch.setattr(module, "write", met)

    def attempt(_: int) -> T | Exception:
        try:
            return work()
        except (StoreError, sqlite3.Error) as error:
            return error

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(attempt, range(2)))


def test_one_of_two_that_want_an_experiment_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    create(path, PLAN)

    async def hold() -> str:
        log = ExperimentLog(path, "e")
        await log.__aenter__()
        return "held"

    first, second = both(monkeypatch, experiment_log, lambda: asyncio.run(hold()))
    held, refused = (first, second) if first == "held" else (second, first)
    assert held == "held"
    assert "is carrying out the experiment e" in str(refused)


async def test_who_releases_an_experiment_or_ends_holds_it_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    create(path, PLAN)
    async with ExperimentLog(path, "e"):
        with pytest.raises(StoreError, match="wait for it, or end it, first"):
            async with ExperimentLog(path, "e"):
                pass
    async with ExperimentLog(path, "e"):
        pass
    with write(open_writer(path)) as db:
        db.execute("UPDATE experiments SET owner_pid = 2000000000, owner_start = 1, owner_boot = 'past/x'")
    async with ExperimentLog(path, "e") as log:
        assert await log.attempts() == {}


def test_two_that_make_a_store_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"

    def make() -> str:
        open_writer(path).close()
        return "open"

    assert both(monkeypatch, opening, make) == ["open", "open"]
    assert Reader(path).runs().rows == ()


def test_an_abandoned_run_is_ended_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    store(path, whole_run(end=False))
    with write(open_writer(path)) as db:
        db.execute("UPDATE runs SET owner_start = owner_start + 1")

    def mark() -> list[str]:
        db = open_writer(path)
        try:
            return mark_interrupted(db)
        finally:
            db.close()

    assert sorted(both(monkeypatch, interrupted, mark), key=str) == [["r1"], []]
    assert [e.kind for e in Reader(path).events("r1")].count("run_finished") == 1


def test_a_new_store_that_another_is_writing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going over to write-ahead logging is the one thing that SQLite does not wait for by itself."""
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.execute("ROLLBACK")

    monkeypatch.setattr(time, "sleep", sleep)
    db = open_writer(path, lock_timeout_s=30)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len(waits) == 3
    db.close()
    other.close()


async def test_streamed_text_waits_once_too_much_of_it_is_queued(tmp_path: Path) -> None:
    """A store that cannot be written for a while must not fill the memory with what streams."""
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        await recorder.record(started())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        taken = 0
        while True:
            taken += 1
            delta = ModelDelta(run_id="r1", seq=taken, at=1.0, call_id="c", channel="text", text="x")
            waiting = asyncio.ensure_future(recorder.record(delta))
            await asyncio.sleep(0)
            if not waiting.done() or taken > 20_000:
                break
        # What the writer took out of the queue before it met the lock is not in it any more.
        assert 5_000 < taken <= 5_001 + BATCH_EVENTS
        other.execute("ROLLBACK")
        other.close()
        await waiting
        await recorder.record(
            ModelDelta(run_id="r1", seq=taken + 1, at=1.0, call_id="c", channel="text", text="x")
        )
    assert len(list(Reader(path).events("r1"))) == taken + 2
