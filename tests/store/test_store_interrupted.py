"""Faults at any moment: killed recorders, crowds on a new store, no room, no permission."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.events import Notice, RunFinished
from store import owners
from store.db import open_writer
from store.errors import StoreError
from store.interrupted import mark_interrupted
from store.reader import Reader
from store.recorder import Recorder
from tests.store.samples import started, store, whole_run
from tests.support.leftovers import Guard

_ROOT = Path(__file__).parents[2]


def child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.child", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store.db"
    process = child("forever", path, "r1")
    assert process.stdout is not None
    for _ in range(random.Random(seed).randrange(1, 400)):
        process.stdout.readline()
    process.kill()
    acknowledged = [json.loads(line) for line in process.stdout.read().splitlines() if line.endswith("}")]
    process.communicate()

    db = open_writer(path)
    assert mark_interrupted(db) == ["r1"]
    assert mark_interrupted(db) == []
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    with Reader(path) as reader:
        *body, ending = reader.events("r1")
        assert [event.seq for event in body] == list(range(len(body)))
        assert body[-1].seq >= max((line["seq"] for line in acknowledged), default=0)
        assert isinstance(ending, RunFinished)
        assert (ending.status, ending.seq) == ("interrupted", len(body))
        assert reader.run("r1").status == "interrupted"


def test_an_interrupted_run_ends_with_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store(path, whole_run(end=False))
    db = open_writer(path)
    db.execute("UPDATE runs SET owner_start = owner_start + 1")
    assert mark_interrupted(db) == ["r1"]
    db.close()

    with Reader(path) as reader:
        row = reader.run("r1")
        *_, last, ending = reader.events("r1")
    assert isinstance(ending, RunFinished)
    assert (ending.tokens_in, ending.tokens_out, ending.cost_usd, ending.steps) == (7, 3, 0.25, 1)
    assert (ending.val_score, ending.workflow_id, ending.score) == (0.5, "wf1", None)
    assert (ending.at, ending.mono) == (last.at, last.mono)
    assert row.ended_at == last.at
    assert row.strict is False
    assert row.error_sig is not None


def test_a_living_process_keeps_its_runs(tmp_path: Path) -> None:
    store(tmp_path / "store.db", [started()])
    db = open_writer(tmp_path / "store.db")
    assert mark_interrupted(db) == []
    for column, value in (("owner_boot", "another-boot/x"), ("owner_pid", 2**22 + 1)):
        db.execute("SAVEPOINT try")
        db.execute(f"UPDATE runs SET {column} = ?", (value,))
        owner = db.execute("SELECT owner_pid, owner_start, owner_boot FROM runs").fetchone()
        assert owners.Owner(*owner).is_gone()
        db.execute("ROLLBACK TO try")
        db.execute("RELEASE try")
    here = owners.current()
    elsewhere = owners.Owner(1, 1, here.boot.partition("/")[0] + "/pid:[1]")
    assert not elsewhere.is_gone()
    db.close()


def test_three_processes_share_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "store.db"
    processes = [child("runs", path, f"p{number}", 30) for number in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors

    with Reader(path) as reader:
        assert len(reader.runs(limit=1000).rows) == 90
        assert {row.status for row in reader.runs(limit=1000).rows} == {"passed"}
        assert len(list(reader.events("p2-29"))) == len(whole_run())


def test_a_full_disk_keeps_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    process = child("until-full", path, "r1")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    report = json.loads(output)

    assert str(path) in report["error"]
    assert report["error"] == report["second_error"]
    assert "disk" in report["error"]
    with Reader(path) as reader:
        events = list(reader.events("r1"))
        # Then perhaps its end, where there was room for that.
        assert [event.seq for event in events] in (
            list(range(report["stored"])),
            list(range(report["stored"] + 1)),
        )
        assert all(isinstance(event, RunFinished) for event in events[report["stored"] :])


@pytest.fixture
def tiny_filesystem(tmp_path: Path) -> Iterator[Path]:
    """One megabyte to write on. Mounting needs root, and not every container has it."""
    place = tmp_path / "guarded" / "tiny"
    place.mkdir(parents=True)
    guard = Guard(place.parent)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        guard.clean()
        pytest.skip("mounting is not allowed here")
    yield place
    guard.clean()


async def test_a_full_filesystem_is_said_to_be_full(tiny_filesystem: Path) -> None:
    with pytest.raises(StoreError, match="disk is full; free some space"):
        async with Recorder(tiny_filesystem / "store.db") as recorder:
            await recorder.record(started())
            for seq in range(1, 1000):
                text = random.Random(seq).randbytes(2000).hex()
                await recorder.record(Notice(run_id="r1", seq=seq, level="info", text=text))


async def test_a_run_that_met_a_full_filesystem_is_ended_when_there_is_room_again(
    tiny_filesystem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.recorder._RETRY_S", 0.01)
    path, ballast = tiny_filesystem / "store.db", tiny_filesystem / "ballast"
    ballast.write_bytes(bytes(200_000))
    with pytest.raises(StoreError, match="disk is full"):
        async with Recorder(path) as recorder:
            await recorder.record(started())
            with pytest.raises(StoreError, match="disk is full"):
                for seq in range(1, 1000):
                    text = random.Random(seq).randbytes(2000).hex()
                    await recorder.record(Notice(run_id="r1", seq=seq, level="info", text=text))
            with Reader(path) as reader:
                # The end of a run is short: it may have found room by now.
                assert reader.run("r1").status in ("running", "interrupted")
            ballast.unlink()
            async with asyncio.timeout(120):
                while True:
                    with Reader(path) as reader:
                        if reader.run("r1").status == "interrupted":
                            break
                    await asyncio.sleep(0.01)
    with Reader(path) as reader:
        *_, last = reader.events("r1")
        assert last.kind == "run_finished" and "disk is full" in str(getattr(last, "error", ""))


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that a user without rights can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def without_rights() -> Iterator[None]:
    """Not as root, for whom nothing is read-only."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_read_only_store_is_read_and_refuses_writing() -> None:
    with public_folder() as folder:
        path = folder / "store.db"
        store(path, whole_run())
        path.chmod(0o444)
        folder.chmod(0o555)
        assert not path.with_name("store.db-wal").exists()
        with without_rights():
            with Reader(path) as reader:
                assert list(reader.events("r1")) == whole_run()
            with pytest.raises(StoreError, match="read-only") as failure:
                async with Recorder(path) as recorder:
                    await recorder.record(started("r2"))
        folder.chmod(0o755)
        assert str(path) in str(failure.value)


async def test_a_folder_that_may_not_be_written_is_one_sentence() -> None:
    with public_folder() as folder:
        folder.chmod(0o555)
        with without_rights(), pytest.raises(StoreError, match="cannot be opened"):
            async with Recorder(folder / "store.db"):
                pass
        folder.chmod(0o755)
