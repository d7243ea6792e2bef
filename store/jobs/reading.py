"""What the store has of jobs: rows, the series of their metrics, their events, the rollouts of a step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from store.reading import ReadConnection


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
# The names of a job's metrics, from one to the next by the key: hundreds of thousands of rows are not read.
NAMES = """
WITH RECURSIVE names(name) AS (
  SELECT min(name) FROM job_metrics WHERE job_id = :job
  UNION ALL
  SELECT (SELECT min(name) FROM job_metrics WHERE job_id = :job AND name > names.name) FROM names
  WHERE names.name IS NOT NULL
) SELECT name FROM names WHERE name IS NOT NULL"""
# A value's step is the metric's last: not every step has every metric.
_LATEST = (
    "SELECT name, (SELECT value FROM job_metrics m WHERE m.job_id = :job AND m.name = n.name"
    f" ORDER BY step DESC LIMIT 1) FROM ({NAMES}) n"
)
# The least and the greatest value of each bucket, so that no spike is smoothed away.
_BUCKETS = """
SELECT step, at, value FROM (
  SELECT step, at, min(value) AS value FROM job_metrics
  WHERE job_id = :job AND name = :name AND value IS NOT NULL GROUP BY step / :width
  UNION
  SELECT step, at, max(value) FROM job_metrics
  WHERE job_id = :job AND name = :name AND value IS NOT NULL GROUP BY step / :width
) ORDER BY step"""


class JobReader:
    """Reads training jobs. Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    def all(self, job_id: str | None = None) -> list[JobRow]:
        """All jobs, newest first, or the one of this id."""
        with self._connection.taken() as db:
            where, parameters = (" WHERE id = ?", (job_id,)) if job_id else ("", ())
            query = f"SELECT {_COLUMNS} FROM jobs{where} ORDER BY created_at DESC, id DESC"
            rows = db.execute(query, parameters).fetchall()
            return [
                JobRow(*row, latest=dict(db.execute(_LATEST, {"job": row[0]})), alert=_alert(db, row[0]))
                for row in rows
            ]

    def metrics(self, job_ids: Sequence[str]) -> list[str]:
        """The names of the metrics that any of the jobs has reported, sorted."""
        with self._connection.taken() as db:
            return sorted({name for job_id in job_ids for (name,) in db.execute(NAMES, {"job": job_id})})

    def series(self, job_id: str, name: str, most: int) -> list[Point]:
        """A metric of a job by step.

        Of more than `most` points, the least and the greatest of each of about `most` / 2 equal stretches of
        steps, so that a plot of that width shows every spike.
        """
        with self._connection.taken() as db:
            count, last = db.execute(
                "SELECT count(*), max(step) FROM job_metrics WHERE job_id = ? AND name = ?", (job_id, name)
            ).fetchone()
            if count > most:
                width = last // max(most // 2, 1) + 1
                parameters = {"job": job_id, "name": name, "width": width}
                return [Point(*row) for row in db.execute(_BUCKETS, parameters)]
            query = "SELECT step, at, value FROM job_metrics WHERE job_id = ? AND name = ? ORDER BY step"
            return [Point(*row) for row in db.execute(query, (job_id, name))]

    def events(self, job_id: str, limit: int = 500) -> list[JobEvent]:
        """The newest `limit` events of a job, newest first."""
        with self._connection.taken() as db:
            query = (
                "SELECT kind, attempt, at, step, data FROM job_events WHERE job_id = ?"
                " ORDER BY offset DESC LIMIT ?"
            )
            rows = db.execute(query, (job_id, limit))
            return [JobEvent(*row, data=json.loads(data)) for *row, data in rows]

    def rolled_out(self, job_id: str) -> set[tuple[str, str]]:
        """The problems of the job's rollouts: id and the beginning of the question."""
        with self._connection.taken() as db:
            return set(db.execute("SELECT DISTINCT problem_id, prompt FROM runs WHERE job = ?", (job_id,)))

    def rollout_steps(self, job_id: str) -> list[int]:
        """The steps whose rollouts are stored, oldest first."""
        with self._connection.taken() as db:
            query = "SELECT DISTINCT step FROM job_candidates WHERE job_id = ? ORDER BY step"
            return [step for (step,) in db.execute(query, (job_id,))]

    def candidates(self, job_id: str, step: int) -> list[CandidateRow]:
        """The rollouts of a step, sorted by problem, group and number."""
        with self._connection.taken() as db:
            query = """
SELECT c.group_id, c.candidate, c.problem, c.run_id, r.id IS NOT NULL, c.score, c.reward, c.rounds,
  c.advantages, c.words
FROM job_candidates c LEFT JOIN runs r ON r.id = c.run_id
WHERE c.job_id = ? AND c.step = ? ORDER BY c.problem, c.group_id, c.candidate"""
            candidates = []
            for group, number, problem, run_id, stored, score, reward, *lists, words in db.execute(
                query, (job_id, step)
            ):
                rounds, advantages = (tuple(json.loads(values)) for values in lists)
                candidates.append(
                    CandidateRow(
                        group, number, problem, run_id, bool(stored), score, reward, rounds, advantages, words
                    )
                )
            return candidates


def _alert(db: sqlite3.Connection, job_id: str) -> str | None:
    query = "SELECT data FROM job_events WHERE job_id = ? AND kind = 'alert' ORDER BY offset DESC LIMIT 1"
    row = db.execute(query, (job_id,)).fetchone()
    return None if row is None else alert_text(json.loads(row[0]))


def alert_text(data: dict[str, Any]) -> str:
    """An alert event's `data` as one line, whatever its line said."""
    return f"{data.get('name', 'alert')}: {data.get('text', '')}"
