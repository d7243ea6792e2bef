"""The recorder: what it acknowledges is on disk, and what it cannot store it says."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from engine.events import Event, ModelDelta, Notice, RunFinished
from store.errors import NewerSchemaError, RecordError, StoreError
from store.reader import Reader
from store.recorder import Recorder
from tests.store.samples import finished, started, whole_run


def events_of(path: Path, run_id: str) -> list[Event]:
    with Reader(path) as reader:
        return list(reader.events(run_id))


def note(run_id: str, seq: int, text: str = "hello") -> Notice:
    return Notice(run_id=run_id, seq=seq, at=1.0, level="info", text=text)


def delta(run_id: str, seq: int) -> ModelDelta:
    return ModelDelta(run_id=run_id, seq=seq, at=1.0, call_id="c", channel="text", text=f"{seq} ")


async def test_a_milestone_is_on_disk_when_record_returns(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        for event in whole_run():
            await recorder.record(event)
            if event.milestone:
                assert events_of(path, "r1")[-1] == event


async def test_closing_writes_what_is_still_queued(tmp_path: Path) -> None:
    events = [started(), *(delta("r1", seq) for seq in range(1, 1001))]
    async with Recorder(tmp_path / "store.db") as recorder:
        for event in events:
            await recorder.record(event)

    assert events_of(tmp_path / "store.db", "r1") == events


async def test_concurrent_runs_keep_their_own_order(tmp_path: Path) -> None:
    runs = {f"run-{n}": whole_run(f"run-{n}", at=1000.0 * n) for n in range(8)}

    async def record(recorder: Recorder, events: list[Event]) -> None:
        for event in events:
            await recorder.record(event)

    async with Recorder(tmp_path / "store.db") as recorder:
        await asyncio.gather(*(record(recorder, events) for events in runs.values()))

    for run_id, events in runs.items():
        assert events_of(tmp_path / "store.db", run_id) == events


async def test_a_cancelled_record_is_stored_all_the_same(tmp_path: Path) -> None:
    async with Recorder(tmp_path / "store.db") as recorder:
        await recorder.record(started())
        waiting = asyncio.create_task(recorder.record(note("r1", 1)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await recorder.record(note("r1", 2))

    assert [event.seq for event in events_of(tmp_path / "store.db", "r1")] == [0, 1, 2]


async def test_cancelling_the_program_loses_nothing_queued(tmp_path: Path) -> None:
    queued = asyncio.Event()

    async def program() -> None:
        async with Recorder(tmp_path / "store.db") as recorder:
            await recorder.record(started())
            for seq in range(1, 501):
                await recorder.record(delta("r1", seq))
            queued.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(program())
    await queued.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(events_of(tmp_path / "store.db", "r1")) == 501


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (note("no-such-run", 1), "its run has not started"),
        (note("r1", 0), "already"),
        (finished(tokens_in=2**70), "too large"),
        (started("r2", config={"a": object()}), "not JSON serializable"),
        (note("\ud83d", 1), "surrogates"),
    ],
    ids=["unknown-run", "duplicate", "huge-number", "object", "surrogate-id"],
)
async def test_an_unsuitable_event_fails_alone(tmp_path: Path, event: Event, reason: str) -> None:
    async with Recorder(tmp_path / "store.db") as recorder:
        await recorder.record(started())
        results = await asyncio.gather(
            recorder.record(note("r1", 1)),
            recorder.record(event),
            recorder.record(note("r1", 2)),
            return_exceptions=True,
        )

    assert [type(result) for result in results] == [type(None), RecordError, type(None)]
    assert reason in str(results[1])
    assert [stored.seq for stored in events_of(tmp_path / "store.db", "r1")] == [0, 1, 2]


async def test_data_nested_too_deeply_is_refused_by_name(tmp_path: Path) -> None:
    nested: object = "end"
    for _ in range(5000):
        nested = [nested]
    async with Recorder(tmp_path / "store.db") as recorder:
        with pytest.raises(RecordError, match="nested too deeply"):
            await recorder.record(started(config={"deep": nested}))


async def test_a_streamed_event_that_cannot_be_stored_is_not_dropped_silently(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="has not started"):
        async with Recorder(tmp_path / "store.db") as recorder:
            await recorder.record(delta("no-such-run", 1))


async def test_a_lock_held_too_long_is_one_sentence_and_ends_recording(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreError):
        async with Recorder(path, lock_timeout_s=0.05) as recorder:
            await recorder.record(started())
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked by another process") as failure:
                await recorder.record(note("r1", 1))
            assert str(path) in str(failure.value)
            other.execute("ROLLBACK")
            other.close()
            with pytest.raises(StoreError, match="locked by another process"):
                await recorder.record(note("r1", 2))

    begun, lost = events_of(path, "r1")  # the run is ended as soon as the store can be written again
    assert (begun.seq, lost.seq) == (0, 1)
    assert isinstance(lost, RunFinished) and lost.status == "interrupted"


async def test_a_lock_released_in_time_is_not_noticed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        await recorder.record(started())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(recorder.record(note("r1", 1)))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        other.execute("ROLLBACK")
        other.close()
        await waiting


async def test_recording_outside_the_block_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "store.db")
    with pytest.raises(StoreError, match="not open"):
        await recorder.record(started())
    async with recorder:
        await recorder.record(started())
    with pytest.raises(StoreError, match="not open"):
        await recorder.record(note("r1", 1))


async def refusal(path: Path) -> StoreError:
    with pytest.raises(StoreError) as failure:
        async with Recorder(path, lock_timeout_s=0.05):
            pass
    message = str(failure.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return failure.value


async def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be taken for one " * 40)
    assert "not a SQLite database" in str(await refusal(text))

    assert "cannot be opened" in str(await refusal(tmp_path))

    assert "cannot be made" in str(await refusal(text / "store.db"))

    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE bookmarks(url)")
    assert "another program" in str(await refusal(other))


async def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        for event in whole_run():
            await recorder.record(event)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(bytes(data))

    assert "damaged" in str(await refusal(path))


async def test_a_newer_store_is_refused_for_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        await recorder.record(started())
    with sqlite3.connect(path) as db:
        later = "VALUES ('store', '9999_later', '')"
        db.execute(f"INSERT INTO _sqlite_migrations(migration_set, name, applied_at) {later}")

    assert isinstance(await refusal(path), NewerSchemaError)
    with Reader(path) as reader, pytest.raises(NewerSchemaError, match=r"newer version.*9999_later"):
        reader.runs()
