"""Compressed texts and joined rows: nothing is lost, whatever is asked for and however old the store is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Event, ModelDelta, Notice
from store import bundles, packing, shrinking, streams
from store.db import open_writer
from store.errors import StoreError
from store.reader import Reader
from store.recorder import Recorder
from store.retention import prune
from tests.store.samples import finished, started, store, whole_run

_ROOT = Path(__file__).parents[2]
# What the first dictionary made of this text once. It must be readable for ever.
_TEXT = b'{"mono":0.25,"call_id":"c1","channel":"text","text":"def f(x):"}'
_PACKED = bytes.fromhex("28b52ffd210140e5000058302e3235633178293a227d04fc3d6c033020677e6a4e1b83d119ed")


def deltas(run_id: str, first: int, count: int, *, calls: int = 1) -> list[Event]:
    """Streamed text of `calls` calls in turn."""
    return [
        ModelDelta(
            run_id=run_id,
            seq=first + n,
            at=1700000000.000001 + n * 0.05,
            mono=n * 0.05,
            call_id=f"c{n % calls}",
            channel="text" if n % 3 else "reasoning",
            text=f"part {n}",
        )
        for n in range(count)
    ]


def whole(events: list[Event]) -> list[Event]:
    """With times to the microsecond, as the engine gives them."""
    return [replace(event, at=round(event.at, 6), mono=round(event.mono, 6)) for event in events]


def streamed(run_id: str = "r1") -> list[Event]:
    """A run of 501 events: streamed text of two calls at once, a remark between, and more text of one."""
    first = [started(run_id, at=1700000000.0), *deltas(run_id, 1, 300, calls=2)]
    remark = Notice(run_id=run_id, seq=301, at=1700000016.0, level="info", text="in between")
    return whole([*first, remark, *deltas(run_id, 302, 198), finished(run_id, seq=500, at=1700000030.0)])


def rows_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT count(*) FROM events").fetchone()[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packing") / "store.db"
    store(path, streamed())
    return path


@pytest.mark.parametrize("after", [-1, 0, 1, 100, 200, 201, 300, 301, 302, 498, 499, 500, 600])
def test_whoever_follows_goes_on_anywhere(path: Path, after: int) -> None:
    with Reader(path) as reader:
        assert list(reader.events("r1", after)) == streamed()[after + 1 :]


def test_every_event_is_found_by_its_number_and_its_kind(path: Path) -> None:
    expected = streamed()
    with Reader(path) as reader:
        assert [reader.event("r1", seq) for seq in range(501)] == expected
        texts = [event for event in expected if isinstance(event, ModelDelta)]
        assert reader.events_of_kind("r1", "model_delta") == texts
        assert list(reader.events("r1", 250, kinds=("model_delta",))) == texts[250:]
        for seq in (-1, 501):
            with pytest.raises(StoreError, match=f"no event {seq} "):
                reader.event("r1", seq)


def test_a_run_that_has_ended_takes_one_row(path: Path) -> None:
    assert rows_of(path) == 1


def test_a_long_run_is_read_bundle_by_bundle_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarks = [
        Notice(run_id="r1", seq=n, at=1700000000.0 + n, level="info", text=f"{n}: {'long ' * 50}")
        for n in range(1, 3000)
    ]
    events = [started("r1", at=1700000000.0), *remarks, finished("r1", seq=3000, at=1700003000.0)]
    path = tmp_path / "store.db"
    store(path, events)
    assert 8 < (rows := rows_of(path)) < 30
    opened: list[int] = []
    unbundled = bundles.unbundled
    monkeypatch.setattr("store.bundles.unbundled", lambda row: opened.append(row[1]) or unbundled(row))
    with Reader(path) as reader:
        reading = reader.events("r1")
        assert next(reading) == events[0]
        assert opened == [0]  # who opens a large trace waits for the first rows alone
        assert list(reading) == events[1:]
    assert len(opened) == len(set(opened)) == rows


async def test_what_was_stored_moment_by_moment_is_joined_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.recorder.BATCH_EVENTS", 10)
    path = tmp_path / "store.db"
    events = streamed()
    async with Recorder(path) as recorder:
        for event in events[:-1]:
            await recorder.record(event)
    assert rows_of(path) > 40
    with Reader(path) as reader:
        newest = reader.newest_event()
    async with Recorder(path) as recorder:
        await recorder.record(events[-1])
    assert rows_of(path) == 1
    with Reader(path) as reader:
        assert list(reader.events("r1")) == events
        assert reader.newest_event() > newest


_DELTA = st.builds(
    ModelDelta,
    run_id=st.sampled_from(["a", "b"]),
    at=st.one_of(st.floats(allow_nan=False), st.integers(0, 2**52).map(lambda us: us / 1e6)),
    mono=st.one_of(st.floats(allow_nan=False), st.integers(0, 2**40).map(lambda us: us / 1e6)),
    call_id=st.sampled_from(["c1", "c2"]),
    channel=st.sampled_from(["text", "reasoning"]),
    text=st.text(max_size=5),
)


@given(st.lists(st.tuples(_DELTA, st.booleans()), max_size=20))
def test_joined_text_comes_back_equal(drawn: list[tuple[ModelDelta, bool]]) -> None:
    numbers = {"a": 0, "b": 0}
    events: list[ModelDelta] = []
    for delta, gap in drawn:
        numbers[delta.run_id] += 2 if gap else 1
        events.append(replace(delta, seq=numbers[delta.run_id]))
    back = [event for part in streams.joined(events) for event in _through_json(part)]
    for run_id in numbers:
        assert [e for e in back if e.run_id == run_id] == [e for e in events if e.run_id == run_id]


def _through_json(part: object) -> Iterator[Event]:
    assert isinstance(part, list)
    if len(part) == 1:
        return iter(part)
    return iter(streams.from_json(part[0].run_id, part[0].seq, streams.to_json(part)))


def test_what_the_first_dictionary_made_is_readable_for_ever() -> None:
    assert packing.unpack(_PACKED) == _TEXT


def test_every_dictionary_that_ships_is_named_by_its_number() -> None:
    import zstandard

    found = {
        int(file.name.removesuffix(".zdict")): zstandard.ZstdCompressionDict(file.read_bytes()).dict_id()
        for file in resources.files("store").joinpath("dictionaries").iterdir()
    }
    assert found
    assert all(number == inside for number, inside in found.items())


def _with_first_payload(tmp_path: Path, payload: bytes) -> Path:
    path = tmp_path / "store.db"
    store(path, whole_run())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE events SET payload = ? WHERE seq = 0", (payload,))
    return path


def test_a_text_of_a_newer_dictionary_says_so(tmp_path: Path) -> None:
    import zstandard

    samples = [f"{n} is a text and {n * n} is another".encode() for n in range(2000)]
    newer = zstandard.train_dictionary(4096, [*samples], dict_id=9999)
    path = _with_first_payload(tmp_path, zstandard.ZstdCompressor(dict_data=newer).compress(b"{}"))
    with pytest.raises(StoreError, match=r"Event 0 .* \(it was compressed by a newer version\)"):
        list(Reader(path).events("r1"))


def test_a_damaged_text_is_one_sentence(tmp_path: Path) -> None:
    path = _with_first_payload(tmp_path, _PACKED[:-5])
    with pytest.raises(StoreError, match=r"Event 0 .* is damaged .*restore a copy"):
        list(Reader(path).events("r1"))


@pytest.mark.parametrize("payload", [_PACKED[:-5], b"\xff\x00", "{", "{\n}", 7])
def test_a_damaged_event_costs_no_other_when_its_run_ends(tmp_path: Path, payload: object) -> None:
    path = tmp_path / "store.db"
    *events, ending = whole_run()
    store(path, events)
    with closing(open_writer(path)) as db:
        db.execute("UPDATE events SET payload = ? WHERE seq = 4", (payload,))
    store(path, [ending])
    with Reader(path) as reader:
        assert [reader.event("r1", e.seq) for e in events if e.seq != 4] == [e for e in events if e.seq != 4]
        assert reader.event("r1", ending.seq) == ending
        with pytest.raises(StoreError):
            reader.event("r1", 4)


def _of_older_clocks(event: Event) -> Event:
    """With times finer than a microsecond."""
    return replace(event, at=event.at + 2**-21, mono=event.mono / 3)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A store of three runs as older versions wrote it: every text plain, every event a row."""
    path = tmp_path / "older.db"
    db = open_writer(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "pack", lambda data: None)
        patch.setattr(streams, "MOST", 1)
        patch.setattr(bundles, "bundle", lambda db, run_id: False)
        db.close()
        runs = [(*map(_of_older_clocks, streamed(f"s{n}")), *whole_run(f"w{n}")) for n in range(3)]
        store(path, [event for run in runs for event in run])
    return path


def _contents(path: Path) -> list[object]:
    with Reader(path) as reader:
        events = [list(reader.events(run_id)) for run_id in reader.ended_runs()]
        return [*events, *reader.search("answer"), *reader.search("primes")]


def test_an_older_store_is_shrunk_without_loss(older: Path) -> None:
    before, size = _contents(older), prune(older, keep=6).file_bytes
    assert prune(older, keep=6, vacuum=True).file_bytes < size * 0.7
    assert _contents(older) == before
    assert rows_of(older) == 6


def test_a_store_can_be_shrunk_alone(older: Path) -> None:
    before = _contents(older)
    report = prune(older, vacuum=True)
    assert (report.runs, _contents(older)) == (0, before)
    with pytest.raises(StoreError, match="Say which runs to delete"):
        prune(older)


@pytest.fixture
def oldest(tmp_path: Path) -> Path:
    """A store of the first schema, with a run."""
    path = tmp_path / "oldest.db"
    dump = Path(__file__).with_name("schemas") / "0001.sql"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(dump.read_text(encoding="utf-8"))
    return path


@pytest.mark.parametrize(("kind", "step"), [("oldest", 5), ("older", 61)])
def test_killed_while_it_is_migrated_and_shrunk_a_store_loses_nothing_and_goes_on(
    kind: str, step: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(kind)
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(tmp_path / "whole.db")) as whole:
        db.backup(whole)
    before = _contents(tmp_path / "whole.db")
    command = [sys.executable, "-m", "tests.store.dying", str(path), str(step)]
    died = int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT).stdout)
    assert died >= 5
    for left in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, died + 1))):
        assert _contents(left) == before
        with closing(sqlite3.connect(left)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            db.execute("INSERT INTO search(search) VALUES ('integrity-check')")
    with closing(open_writer(path)) as db:
        assert shrinking.pack_runs(db) == 0
    assert rows_of(path) == len(Reader(path).ended_runs())


def test_what_is_deleted_is_found_no_more(older: Path) -> None:
    prune(older, keep=6, vacuum=True)
    with Reader(older) as reader:
        newest = reader.runs(limit=1).rows[0].id
    prune(older, keep=1)
    with Reader(older) as reader:
        assert {hit.run_id for hit in reader.search("primes")} == {newest}
    with closing(sqlite3.connect(older)) as db:
        db.execute("INSERT INTO search(search) VALUES ('integrity-check')")
