"""The trials of an experiment as rows to compare: by their reported attempts, as the store has them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import astuple
from functools import lru_cache
from typing import Any, NamedTuple

from engine.experiments.keys import DONE, TrialKey
from store.errors import no_run
from store.reading import ReadConnection
from store.usage import Usage, operators_of, paid_before, usage_of

_DONE = frozenset(DONE)


class TrialRow(NamedTuple):
    """A trial by its reported attempt. `attempts` counts all; scores are in [0, 1], None without a verdict.

    `complexity` and `workflow_id` are of the scored workflow; `ran_as_written` is 0 where it was repaired.
    `started_at` is Unix seconds. It is as flat as the store has it, since there may be 100,000 of them:
    `meta` and `worker` are the model calls of both roles together, `operators` the run's steps by operator.
    """

    label: str
    problem_id: str
    repeat: int
    run_id: str
    attempts: int
    status: str
    score: float | None
    val_score: float | None
    ran_as_written: int | None
    error: str | None
    error_sig: str | None
    variant: str
    started_at: float
    wall_ms: float | None
    workflow_id: str | None
    complexity: int | None
    meta_calls: int
    meta_tokens_in: int
    meta_tokens_out: int
    meta_cost_usd: float | None
    meta_latency_ms: float
    meta_call_ms: float
    worker_calls: int
    worker_tokens_in: int
    worker_tokens_out: int
    worker_cost_usd: float | None
    worker_latency_ms: float
    worker_call_ms: float
    steps: str

    @property
    def is_done(self) -> bool:
        """Whether the run ended by itself, so that the trial counts."""
        return self.status in _DONE

    @property
    def meta(self) -> Usage:
        return Usage(*self[16:22])

    @property
    def worker(self) -> Usage:
        return Usage(*self[22:28])

    def and_paid(self, meta: Usage, worker: Usage) -> TrialRow:
        """With what the unfinished attempts that its run goes on from paid for."""
        used = [*astuple(self.meta.and_paid(meta)), *astuple(self.worker.and_paid(worker))]
        return TrialRow._make((*self[:16], *used, self.steps))

    @property
    def operators(self) -> Mapping[str, int]:
        return operators_in(self.steps)


@lru_cache(maxsize=10_000)
def operators_in(steps: str) -> Mapping[str, int]:
    """A run's steps by operator, of `TrialRow.steps`. Raises ValueError or TypeError where it is damaged."""
    found: Any = json.loads(steps)
    if not isinstance(found, dict):
        raise TypeError("the steps by operator are no object")
    return found


_RUN = (
    "r.status, r.score, r.val_score, r.strict, r.error, r.error_sig, r.variant, r.started_at, r.wall_ms,"
    " r.workflow_id, w.complexity"
)
_USAGE = ", ".join(f"u.{name}" for name in TrialRow._fields[16:28])
_ALL = f"""
    SELECT t.label, t.problem_id, t.repeat, t.run_id, t.attempts, {_RUN}, {_USAGE}, u.operators, t.trial
    FROM trials t CROSS JOIN runs r ON r.id = t.run_id
    LEFT JOIN workflows w ON w.id = r.workflow_id LEFT JOIN usage u ON u.run_id = t.run_id
    WHERE t.experiment = ?"""
_ONE = f"""
    SELECT r.variant, r.problem_id, 1, r.id, 1, {_RUN}
    FROM runs r LEFT JOIN workflows w ON w.id = r.workflow_id WHERE r.id = ?"""
# Runs that are under way have not used all yet that they will.
_LIVE = (
    "SELECT t.run_id FROM trials t LEFT JOIN usage u ON u.run_id = t.run_id"
    " WHERE t.experiment = ? AND u.run_id IS NULL"
)


def trials(connection: ReadConnection, db: sqlite3.Connection, name: str) -> list[TrialRow]:
    """The trials of an experiment that were attempted, by repeat, problem and variant as planned."""
    live = RunUsage.by(db, _LIVE, name)
    # One string for all of them: SQLite makes a new one of each column of each row.
    kept: dict[Any, Any] = {}
    made = _maker(live, kept.setdefault)
    rows = connection.intact(db.execute(_ALL, (name,)), made, lambda row: (name, row[-1]))
    paid = paid_before(db, name)
    for at, row in enumerate(rows) if paid else ():
        if (row.run_id, "meta") in paid:
            rows[at] = row.and_paid(paid[row.run_id, "meta"], paid[row.run_id, "worker"])
    plan = db.execute("SELECT plan FROM experiments WHERE name = ?", (name,)).fetchone()
    data = json.loads(plan[0]) if plan else {"problems": [], "variants": []}
    problems = {p: i for i, p in enumerate(data["problems"])}
    labels = {v: i for i, v in enumerate(data["variants"])}
    last = len(problems)
    return sorted(rows, key=lambda r: (r[2], problems.get(r[1], last), labels.get(r[0], 0)))


def _maker(live: RunUsage, one: Callable[[Any, Any], Any]) -> Callable[[tuple[Any, ...]], TrialRow]:
    def made(row: tuple[Any, ...]) -> TrialRow:
        label, problem_id, repeat, run_id, attempts, status, score, val_score, strict, *rest = row
        if label is None:
            label, problem_id, repeat, _ = TrialKey.parse(row[-1])
        error, error_sig, variant, started_at, wall_ms, workflow_id, *used, steps, _ = rest
        if steps is None:
            used[1:], steps = live.of(run_id)
        operators_in(steps)
        return TrialRow._make(
            (
                *(
                    one(label, label),
                    one(problem_id, problem_id),
                    repeat,
                    run_id,
                    attempts,
                    one(status, status),
                ),
                *(score, val_score, strict, error, error_sig, one(variant, variant), started_at),
                *(wall_ms, one(workflow_id, workflow_id), *used, one(steps, steps)),
            )
        )

    return made


def trial_of(connection: ReadConnection, db: sqlite3.Connection, run_id: str) -> TrialRow:
    """A run as the only trial of its variant. Raises RunNotFoundError where there is none of this id."""
    row = db.execute(_ONE, (run_id,)).fetchone()
    if row is None:
        raise no_run(run_id, connection.path)
    used, steps = RunUsage.by(db, "?", run_id).of(run_id)
    return TrialRow._make((*row, *used, steps))


class RunUsage(NamedTuple):
    """What runs used: model calls by run and role, operators by run."""

    calls: dict[tuple[str, str], Usage]
    operators: dict[str, dict[str, int]]

    @classmethod
    def by(cls, db: sqlite3.Connection, runs: str, value: str) -> RunUsage:
        """`runs` is a query for run ids, with one question mark for `value`."""
        return cls(usage_of(db, runs, value), operators_of(db, runs, value))

    def of(self, run_id: str) -> tuple[list[Any], str]:
        """The columns of the meta-agent's calls, of the worker's, and the steps by operator as JSON."""
        both = (self.calls.get((run_id, role), Usage()) for role in ("meta", "worker"))
        return [value for used in both for value in astuple(used)], json.dumps(self.operators.get(run_id, {}))
