"""Rollouts in the store: found by their job, step, group and candidate, and out of everyone's lists."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.events import Event, RunFinished
from store.reader import Reader
from store.run_filter import parse_filter
from tests.store.samples import started, store


def run(run_id: str, *, at: float, status: str = "failed", **origin: object) -> list[Event]:
    begun = started(run_id, at=at, origin=origin)
    end = RunFinished(
        run_id=run_id,
        seq=1,
        at=at + 1,
        status=status,
        score=None,
        val_score=0.5,
        answer=None,
        workflow_id=None,
        error="it broke",
        tokens_in=1,
        tokens_out=1,
        cost_usd=0.0,
        model_calls=1,
        steps=1,
        wall_ms=1.0,
    )
    return [begun, end]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    events = run("mine", at=1.0) + run("trial", at=2.0, experiment="e", trial="t", stage="final")
    for number in range(6):
        events += run(
            f"rollout-{number}",
            at=3.0 + number,
            job="job-a" if number < 4 else "job-b",
            step=number // 2,
            group=f"g{number // 2}",
            candidate=number % 2,
        )
    store(path, events)
    return path


def listed(path: Path, **conditions: object) -> list[str]:
    with Reader(path) as reader:
        return [row.id for row in reader.runs(**conditions).rows]  # type: ignore[arg-type]


def test_lists_leave_rollouts_out(path: Path) -> None:
    assert listed(path) == listed(path, failed=True) == listed(path, status="failed") == ["trial", "mine"]
    assert listed(path, variant="flowreasoner", benchmark="humaneval") == ["trial", "mine"]
    assert listed(path, search="sieves primes") == ["trial", "mine"]
    assert listed(path, experiment="e") == ["trial"]


def test_a_job_lists_its_rollouts_newest_first(path: Path) -> None:
    assert listed(path, job="job-a") == [f"rollout-{n}" for n in (3, 2, 1, 0)]
    assert listed(path, job="job-b", failed=True) == ["rollout-5", "rollout-4"]
    assert listed(path, job="job-a", search="sieves primes", limit=1) == ["rollout-3"]
    assert listed(path, job="job-") == []


def test_the_newest_run_is_a_persons(path: Path) -> None:
    with Reader(path) as reader:
        assert reader.run("last").id == "trial"
        assert reader.run("rollout-5").id == "rollout-5"  # asked for by name it is there


def test_failures_are_counted_without_rollouts(path: Path) -> None:
    with Reader(path) as reader:
        for by in ("signature", "label", "variant", "operator", "benchmark"):
            assert reader.failures.clusters(by).total == 2
            assert sum(c.runs for c in reader.failures.clusters(by).clusters) == 2
        assert set(reader.annotations.unclassified()) <= {"mine", "trial"}


def test_a_training_set_shows_the_rollouts_put_in_it(path: Path) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute("INSERT INTO annotations VALUES ('rollout-1', 'training-set', 'hard', 'user', 1.0)")
    db.close()
    assert listed(path, training_set="hard") == ["rollout-1"]


def test_what_is_stored_of_a_rollout(path: Path) -> None:
    db = sqlite3.connect(path)
    rows = db.execute(
        "SELECT run_id, job, step, group_id, candidate FROM rollouts ORDER BY run_id"
    ).fetchall()
    of_a_step = "SELECT run_id FROM rollouts WHERE job = 'job-a' AND step = 0 ORDER BY group_id, candidate"
    plan = db.execute(f"EXPLAIN QUERY PLAN {of_a_step}").fetchall()
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("DELETE FROM runs WHERE id = 'rollout-0'")
    left = db.execute("SELECT count(*) FROM rollouts").fetchone()[0]
    db.close()
    assert rows[0] == ("rollout-0", "job-a", 0, "g0", 0)
    assert rows[3] == ("rollout-3", "job-a", 1, "g1", 1)
    assert [row[0] for row in rows] == [f"rollout-{n}" for n in range(6)]
    assert "rollouts_by_group" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
    assert left == 5


@pytest.mark.parametrize(
    "condition",
    [{}, {"job": "job-a"}, {"failed": True}, {"job": "job-a", "failed": True}, {"status": "failed"}],
    ids=str,
)
def test_a_page_is_read_from_an_index_without_sorting(path: Path, condition: dict[str, str]) -> None:
    plans: list[str] = []
    reader = Reader(path)
    reader.runs(limit=1)
    with reader._connection.taken() as db:
        db.set_trace_callback(plans.append)
    reader.runs(**condition)  # type: ignore[arg-type]
    (query,) = [text for text in plans if "FROM runs" in text]
    reader.close()
    db = sqlite3.connect(path)
    plan = str(db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
    db.close()
    assert "USING INDEX runs_" in plan
    assert "job" in plan  # the index is entered at the job, so that others' rows are not even looked at
    assert "TEMP B-TREE" not in plan


def test_a_job_can_be_typed() -> None:
    wanted = parse_filter("job:01m8 status:failed median")
    assert (wanted.job, wanted.status, wanted.search) == ("01m8", "failed", "median")
