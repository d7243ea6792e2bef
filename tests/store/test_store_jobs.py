"""Jobs' folders read into the store: every line once, whatever is cut off, damaged, resumed or replaced."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from store.db import open_writer
from store.exports.merge import merge_runs
from store.jobs.ingest import Ingested, NoJobError, forget, ingest
from store.jobs.reading import JobReader, Point
from store.reader import Reader
from store.reading import ReadConnection
from tests.store.samples import as_rows, finished, store, whole_run
from tests.support.job_folders import BEGUN, JobFolder, group


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    db = open_writer(path)
    yield db
    db.close()


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "jobs")


def series(path: Path, name: str, most: int = 1000) -> list[tuple[int, float | None]]:
    with Reader(path) as reader:
        return [(point.step, point.value) for point in reader.jobs.series("job-1", name, most)]


def everything(db: sqlite3.Connection) -> list[Any]:
    tables = ("jobs", "job_metrics", "job_events", "job_candidates")
    return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def test_a_job_is_read_with_its_metrics_events_and_rollouts(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    job.start(dataset="/data/sets/a")
    job.step(1, loss=2.5, reward_mean=0.25)
    job.rollouts(1, group("p1", 0.0, 1.0), group("p2", 0.5, None))
    job.step(2, loss=2.25)
    job.line("checkpoint", step=2, folder="checkpoints/step-000002", content="ab" * 32)
    job.line("alert", name="nan", text="the loss was no number")
    job.end()

    assert ingest(db, job.path) == Ingested(7, 0)
    with Reader(path) as reader:
        (row,) = reader.jobs.all()
        events = reader.jobs.events("job-1")
        candidates = reader.jobs.candidates("job-1", 1)
        assert reader.jobs.metrics(["job-1"]) == ["loss", "reward_mean"]
        assert reader.jobs.rollout_steps("job-1") == [1]
    assert (row.kind, row.base, row.dataset) == ("sft", "pocket-meta", "/data/sets/a")
    assert (row.step, row.total_steps, row.rows, row.ended) == (2, 10, 64, "done")
    assert (row.begun_at, row.heard_at) == (BEGUN + 1, BEGUN + 7)
    assert row.latest == {"loss": 2.25, "reward_mean": 0.25}
    assert row.alert == "nan: the loss was no number"
    assert [(e.kind, e.step) for e in events] == [
        ("end", None),
        ("alert", None),
        ("checkpoint", 2),
        ("start", None),
    ]
    assert events[2].data["folder"] == "checkpoints/step-000002"
    assert [(c.problem, c.number, c.reward) for c in candidates] == [
        ("p1", 0, 0.0), ("p1", 1, 1.0), ("p2", 0, 0.5), ("p2", 1, None),
    ]  # fmt: skip
    assert candidates[0].words == "candidate 0 passed some of val"
    assert not candidates[0].is_stored


def test_reading_again_changes_nothing_and_any_cut_gives_the_same(
    path: Path, db: sqlite3.Connection, job: JobFolder, tmp_path: Path
) -> None:
    job.start()
    for step in range(1, 6):
        job.step(step, loss=1 / step, note="none")
        job.rollouts(step, group("p", 0.0, step / 5))
    whole = (job.path / "progress.jsonl").read_bytes()
    ingest(db, job.path)
    at_once = everything(db)
    assert ingest(db, job.path) == Ingested(0, 0)
    assert everything(db) == at_once

    pieces = open_writer(tmp_path / "pieces.db")
    (job.path / "progress.jsonl").unlink()
    for start in range(0, len(whole), 97):
        job.raw(whole[start : start + 97])
        ingest(pieces, job.path)
    assert everything(pieces) == at_once
    pieces.close()


def test_a_half_written_line_waits_for_its_end(path: Path, db: sqlite3.Connection, job: JobFolder) -> None:
    job.raw(b'{"kind": "step", "time": 1.0, "attempt": 1, "step": 3, "values": {"lo')
    assert ingest(db, job.path) == Ingested(0, 0)
    job.raw(b'ss": 0.5}}\n')
    assert ingest(db, job.path) == Ingested(1, 0)
    assert series(path, "loss") == [(3, 0.5)]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1, 2]",
        b"null",
        b"{" * 100_000,
        b'{"kind": "step", "time": 1, "attempt": 1, "values": {"loss": 1}}',
        b'{"kind": "step", "time": 1, "attempt": 1, "step": -1, "values": {}}',
        b'{"kind": "step", "time": 1, "attempt": 1, "step": true, "values": {}}',
        b'{"kind": "step", "time": 1, "attempt": 1, "step": 1.5, "values": {}}',
        b'{"kind": "step", "time": 1, "attempt": 1, "step": 99999999999999999999, "values": {}}',
        b'{"kind": "step", "time": NaN, "attempt": 1, "step": 1, "values": {}}',
        b'{"kind": "step", "time": "now", "attempt": 1, "step": 1, "values": {}}',
        b'{"kind": "step", "time": 1, "attempt": 0, "step": 1, "values": {}}',
        b'{"kind": "step", "time": 1, "attempt": 1, "step": 1, "values": [1]}',
        b'{"kind": "rollouts", "time": 1, "attempt": 1, "step": 1, "groups": [{"candidates": [3]}]}',
        b'{"kind": "rollouts", "time": 1, "attempt": 1, "step": 1, "groups": {"a": 1}}',
        b'{"kind": ["step"], "time": 1, "attempt": 1, "step": 1, "values": {}}',
        b'{"kind": "from the future", "time": 1, "attempt": 1}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_line_is_counted_and_costs_no_other(
    path: Path, db: sqlite3.Connection, job: JobFolder, line: bytes
) -> None:
    job.step(1, loss=1.0)
    job.raw(line + b"\n")
    job.step(2, loss=0.5)

    assert ingest(db, job.path) == Ingested(3, 1)
    assert series(path, "loss") == [(1, 1.0), (2, 0.5)]
    with Reader(path) as reader:
        assert reader.jobs.all()[0].damaged == 1


def test_values_that_are_no_finite_numbers_are_none_or_left_out(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    job.raw(
        b'{"kind":"step","time":1,"attempt":1,"step":1,"values":{"loss":NaN,"kl":-Infinity,"huge":1e999,'
        b'"big":'
        + b"9" * 400
        + b',"on":true,"said":"0.5","list":[1],"none":null,"bad name\\u001b":1,"ok":2}}\n'
    )
    assert ingest(db, job.path) == Ingested(1, 0)
    with Reader(path) as reader:
        values = reader.jobs.all()[0].latest
    assert values == {
        "loss": None,
        "kl": None,
        "huge": None,
        "big": None,
        "on": None,
        "none": None,
        "ok": 2.0,
    }


def test_of_a_step_taken_twice_the_highest_attempt_stays(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    job.start()
    for step in (1, 2, 3):
        job.step(step, loss=step, extra=step)
        job.rollouts(step, group("p", 0.0, 0.0, 0.0))
    job.end("stopped")
    ingest(db, job.path)
    job.save(attempt=2)
    ingest(db, job.path)
    with Reader(path) as reader:
        assert reader.jobs.all()[0].ended is None
    job.start(total_steps=5)
    job.step(2, loss=20)
    job.rollouts(2, group("p", 1.0))
    ingest(db, job.path)
    job.job["attempt"] = 1  # a line of the attempt before, flushed late
    job.step(2, loss=-1)
    job.rollouts(2, group("p", -1.0, -1.0))
    ingest(db, job.path)

    assert series(path, "loss") == [(1, 1), (2, 20), (3, 3)]
    assert series(path, "extra") == [(1, 1), (3, 3)]
    with Reader(path) as reader:
        (row,) = reader.jobs.all()
        assert [c.reward for c in reader.jobs.candidates("job-1", 2)] == [1.0]
    assert (row.attempt, row.step, row.begun_step, row.total_steps) == (2, 2, 2, 5)


def test_a_file_that_became_shorter_is_read_anew(path: Path, db: sqlite3.Connection, job: JobFolder) -> None:
    for step in range(1, 9):
        job.step(step, loss=step)
    ingest(db, job.path)
    (job.path / "progress.jsonl").unlink()
    assert ingest(db, job.path) == Ingested(0, 0)  # gone for a moment: what was read stays
    assert len(series(path, "loss")) == 8
    job.step(1, loss=0.5)
    ingest(db, job.path)
    assert series(path, "loss") == [(1, 0.5)]


def test_an_endless_line_is_skipped_as_damaged(path: Path, db: sqlite3.Connection, job: JobFolder) -> None:
    job.raw(b'{"kind": "alert", "text": "' + b"x" * (9 << 20) + b'"}\n')
    job.step(1, loss=1.0)
    assert ingest(db, job.path).damaged > 0
    assert series(path, "loss") == [(1, 1.0)]


def test_a_long_series_is_thinned_and_keeps_its_spikes(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    for step in range(5000):
        job.step(step, loss=100.0 if step == 3210 else 1.0 + step / 1e6)
    ingest(db, job.path)
    points = series(path, "loss", most=200)
    assert len(points) <= 202
    assert (3210, 100.0) in points
    assert points[0][0] == 0
    with Reader(path) as reader:
        assert reader.jobs.series("job-1", "loss", 5000)[0] == Point(0, BEGUN + 1, 1.0)


@pytest.mark.parametrize("content", [None, "", "[]", "{", "7", "{" * 100_000])
def test_a_folder_without_a_job_is_one_sentence(
    db: sqlite3.Connection, tmp_path: Path, content: str | None
) -> None:
    folder = tmp_path / "jobs" / "x"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "job.json").write_text(content)
    with pytest.raises(NoJobError) as caught:
        ingest(db, folder)
    assert "\n" not in str(caught.value)
    assert everything(db) == [[], [], [], []]


def test_a_job_with_odd_fields_is_still_listed(path: Path, db: sqlite3.Connection, job: JobFolder) -> None:
    job.save(name="\ud800 name", created="yesterday", attempt="2", parent=[1], host=None, kind={})
    ingest(db, job.path)
    with Reader(path) as reader:
        (row,) = reader.jobs.all()
    assert (row.kind, row.name, row.created_at, row.attempt, row.parent) == ("?", "? name", 0.0, 1, None)


def test_a_forgotten_job_leaves_nothing_but_its_runs(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    job.start()
    job.step(1, loss=1)
    job.rollouts(1, group("p", 1.0))
    store(job.path / "store.db", whole_run("r-p-0"))
    ingest(db, job.path)
    merge_runs(db, job.path, over=False)
    with Reader(path) as reader:
        assert reader.jobs.candidates("job-1", 1)[0].is_stored
    forget(db, "job-1")
    assert everything(db) == [[], [], [], []]
    with Reader(path) as reader:
        assert [run.id for run in reader.runs().rows] == ["r-p-0"]


def test_runs_of_a_job_are_merged_once_and_whole(path: Path, db: sqlite3.Connection, job: JobFolder) -> None:
    theirs = job.path / "store.db"
    store(theirs, whole_run("a"))
    store(theirs, whole_run("b", end=False))
    assert merge_runs(db, job.path, over=False).new == ["a"]
    assert merge_runs(db, job.path, over=False).new == []
    with Reader(path) as reader:
        assert list(reader.events("a")) == whole_run("a")
    end = finished("b")
    store(theirs, [end])
    assert merge_runs(db, job.path, over=False).new == ["b"]
    with Reader(path) as reader:
        assert list(reader.events("b")) == [*whole_run("b", end=False), end]


def test_runs_that_the_jobs_death_cut_off_come_once_it_is_over(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    theirs = job.path / "store.db"
    store(theirs, whole_run("a", end=False))
    with sqlite3.connect(theirs) as other:
        other.execute("UPDATE runs SET owner_pid = 1, owner_start = 1, owner_boot = 'another'")
    other.close()
    assert merge_runs(db, job.path, over=False).new == []
    assert merge_runs(db, job.path, over=True).new == ["a"]
    with Reader(path) as reader:
        assert reader.run("a").status == "interrupted"


def test_a_run_that_is_none_is_refused_and_costs_no_other(
    path: Path, db: sqlite3.Connection, job: JobFolder
) -> None:
    theirs = job.path / "store.db"
    store(theirs, whole_run("a"))
    store(theirs, whole_run("b"))
    with sqlite3.connect(theirs) as other:
        as_rows(other)
        query = "UPDATE events SET payload = ? WHERE run_id = 'a' AND kind = 'model_call_started'"
        other.execute(query, (json.dumps({"call_id": "c", "messages": [1]}),))
    other.close()
    found = merge_runs(db, job.path, over=False)
    assert (found.new, list(found.refused)) == (["b"], ["a"])
    assert merge_runs(db, job.path, over=False, refused=frozenset(found.refused)).refused == {}
    with Reader(path) as reader:
        assert [run.id for run in reader.runs().rows] == ["b"]


def test_a_step_and_a_listing_cost_the_same_however_long_the_job_is(
    db: sqlite3.Connection, job: JobFolder
) -> None:
    class Taken(ReadConnection):
        @contextmanager
        def taken(self) -> Iterator[sqlite3.Connection]:
            yield db

    reader = JobReader(Taken(job.path / "store.db"))

    def work() -> int:
        """SQLite's own instructions for reading one more step of a resumed job, and listing the jobs."""
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        job.step(last, loss=2.0)
        db.set_progress_handler(tick, 10)
        ingest(db, job.path)
        reader.all()
        reader.metrics(["job-1"])
        db.set_progress_handler(None, 0)
        return count

    job.save(attempt=2)
    last = 20
    for step in range(1, last):
        job.step(step, loss=1.0, kl=0.1, reward_mean=0.5)
    ingest(db, job.path)
    short = work()
    for step in range(last + 1, 2000):
        job.step(step, loss=1.0, kl=0.1, reward_mean=0.5)
    ingest(db, job.path)
    last = 2000
    assert work() < 2 * short
