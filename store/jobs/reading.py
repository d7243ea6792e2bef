"""What the store has of jobs: rows, the series of their metrics, their events, the rollouts of a step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as far as it was read. `latest` has each metric's value at the newest step that has it, `alert`
    is its newest alert.

    Times are Unix seconds. `ended` is what the trainer said of its end, which a killed one does not.
    """

    id: str
    kind: str
    name: str
    host: str
    parent: str | None
    base: str | None
    dataset: str | None
    created_at: float
    attempt: int
    total_steps: int | None
    rows: int | None
    tokens: int | None
    step: int | None
    begun_at: float | None
    begun_step: int | None
    heard_at: float | None
    ended: str | None
    error: str | None
    damaged: int
    latest: dict[str, float | None]
    alert: str | None


class Point(NamedTuple):
    """A metric at a step; `at` is Unix seconds, the value None where it was no finite number."""

    step: int
    at: float
    value: float | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A start, checkpoint, alert or end; `data` is what its line said, unchecked."""

    kind: str
    attempt: int
    at: float
    step: int | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A rollout of a step's group. `is_stored` when its run can be opened."""

    group: str
    number: int
    problem: str
    run_id: str | None
    is_stored: bool
    score: float | None
    reward: float | None
    rounds: tuple[float | None, ...]
    advantages: tuple[float | None, ...]
    words: str


_COLUMNS = ", ".join(f.name for f in fields(JobRow) if f.name not in ("latest", "alert"))
# A value's step is the metric's last: not every step has every metric.
_LATEST = """
SELECT m.name, m.value FROM job_metrics m
JOIN (SELECT name, max(step) AS step FROM job_metrics WHERE job_id = ? GROUP BY name) l
  ON m.name = l.name AND m.step = l.step
WHERE m.job_id = ?"""
# The least and the greatest value of each bucket, so that no spike is smoothed away.
_BUCKETS = """
SELECT step, at, value FROM (
  SELECT step, at, min(value) AS value FROM job_metrics
  WHERE job_id = :job AND name = :name AND value IS NOT NULL GROUP BY step / :width
  UNION
  SELECT step, at, max(value) FROM job_metrics
  WHERE job_id = :job AND name = :name AND value IS NOT NULL GROUP BY step / :width
) ORDER BY step"""


def jobs(db: sqlite3.Connection, job_id: str | None = None) -> list[JobRow]:
    """All jobs, newest first, or the one of this id."""
    where, given = (" WHERE id = ?", (job_id,)) if job_id else ("", ())
    query = f"SELECT {_COLUMNS} FROM jobs{where} ORDER BY created_at DESC, id DESC"
    rows = db.execute(query, given).fetchall()
    found = []
    for row in rows:
        latest = dict(db.execute(_LATEST, (row[0], row[0])))
        found.append(JobRow(*row, latest=latest, alert=_alert(db, row[0])))
    return found


def _alert(db: sqlite3.Connection, job_id: str) -> str | None:
    query = "SELECT data FROM job_events WHERE job_id = ? AND kind = 'alert' ORDER BY offset DESC LIMIT 1"
    row = db.execute(query, (job_id,)).fetchone()
    return None if row is None else alert_text(json.loads(row[0]))


def alert_text(data: dict[str, Any]) -> str:
    """An alert in words, whatever its line said."""
    return f"{data.get('name', 'alert')}: {data.get('text', '')}"


def metric_names(db: sqlite3.Connection, job_ids: Sequence[str]) -> list[str]:
    """The metrics that any of the jobs has reported, by name."""
    query = (
        "SELECT DISTINCT name FROM job_metrics WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY name"
    )
    return [name for (name,) in db.execute(query, (json.dumps(list(job_ids)),))]


def series(db: sqlite3.Connection, job_id: str, name: str, most: int) -> list[Point]:
    """A metric of a job by step: all of it, or of more than `most` steps what a plot of that width shows."""
    count, last = db.execute(
        "SELECT count(*), max(step) FROM job_metrics WHERE job_id = ? AND name = ?", (job_id, name)
    ).fetchone()
    if count > most:
        width = last // max(most // 2, 1) + 1
        return [Point(*row) for row in db.execute(_BUCKETS, {"job": job_id, "name": name, "width": width})]
    query = "SELECT step, at, value FROM job_metrics WHERE job_id = ? AND name = ? ORDER BY step"
    return [Point(*row) for row in db.execute(query, (job_id, name))]


def events(db: sqlite3.Connection, job_id: str, limit: int) -> list[JobEvent]:
    """The newest `limit` events of a job, newest first."""
    query = (
        "SELECT kind, attempt, at, step, data FROM job_events WHERE job_id = ? ORDER BY offset DESC LIMIT ?"
    )
    return [JobEvent(*row, data=json.loads(data)) for *row, data in db.execute(query, (job_id, limit))]


def rollout_steps(db: sqlite3.Connection, job_id: str) -> list[int]:
    """The steps of which rollouts are known, oldest first."""
    query = "SELECT DISTINCT step FROM job_candidates WHERE job_id = ? ORDER BY step"
    return [step for (step,) in db.execute(query, (job_id,))]


def candidates(db: sqlite3.Connection, job_id: str, step: int) -> list[CandidateRow]:
    """The rollouts of a step, by group."""
    query = """
SELECT c.group_id, c.candidate, c.problem, c.run_id, r.id IS NOT NULL, c.score, c.reward, c.rounds,
  c.advantages, c.words
FROM job_candidates c LEFT JOIN runs r ON r.id = c.run_id
WHERE c.job_id = ? AND c.step = ? ORDER BY c.problem, c.group_id, c.candidate"""
    found = []
    for group, number, problem, run_id, stored, score, reward, *lists, words in db.execute(
        query, (job_id, step)
    ):
        rounds, advantages = (tuple(json.loads(values)) for values in lists)
        found.append(
            CandidateRow(
                group, number, problem, run_id, bool(stored), score, reward, rounds, advantages, words
            )
        )
    return found
