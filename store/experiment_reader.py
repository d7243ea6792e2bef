"""Reading experiments: which there are, how far each has come, and their trials as rows to compare.

Everything here is derived from runs; `origins` says which trial a run was an attempt at. The
latest attempt that counts (`engine.experiments.keys.DONE`) is the one reported; without one, the latest.
Which that is, and what comes of it for a variant, is known as it is recorded (`store.trial_tables`).
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from engine.experiments.keys import FOUND, TrialKey
from engine.experiments.tally import Attempt, Tally, VariantState
from store import trial_rows
from store.errors import StoreError
from store.experiment_progress import ExperimentProgress, read_progress
from store.owners import Owner
from store.reading import ReadConnection
from store.trial_columns import TrialColumns, read_columns
from store.trial_rows import TrialRow
from store.usage import SearchUsage

_SELECT_EXPERIMENTS = (
    "SELECT name, benchmark, plan, started_at, owner_pid, owner_start, owner_boot FROM experiments"
)
_SPENT = "SELECT runs, unpriced, cost_usd, tokens_in, tokens_out FROM spent WHERE experiment = ?"
_UNDER_WAY = (
    "SELECT count(*), total(r.cost_usd IS NULL), total(r.cost_usd), total(r.tokens_in), total(r.tokens_out)"
    " FROM runs r INDEXED BY runs_by_status CROSS JOIN origins o ON o.run_id = r.id"
    " WHERE r.status = 'running' AND o.experiment = ?"
)
# What names of searches begin with (`engine.experiments.keys`): the index has them together.
_SEARCHES = """o.trial BETWEEN '["search",' AND '["search-'"""


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One experiment. `plan` is `engine.experiments.plan.Plan` as JSON; `holder` is the process that
    carries it out now. `cost_usd` is of every run, searches and earlier attempts included, None where
    the price of a call is unknown; `known_cost_usd` leaves those out.
    """

    name: str
    benchmark: str
    plan: dict[str, Any]
    started_at: float
    holder: int | None
    runs: int
    cost_usd: float | None
    known_cost_usd: float
    tokens_in: int
    tokens_out: int
    variants: tuple[VariantState, ...]

    @property
    def total(self) -> int:
        """How many trials are planned."""
        return sum(v.total for v in self.variants)

    @property
    def done(self) -> int:
        """How many trials have an attempt that counts."""
        return sum(v.done for v in self.variants)


class ExperimentReader:
    """Reads experiments. Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    def all(self) -> list[ExperimentRow]:
        """All experiments, newest first."""
        with self._connection.taken() as db:
            rows = db.execute(f"{_SELECT_EXPERIMENTS} ORDER BY started_at DESC, name").fetchall()
            return self._connection.intact(rows, lambda row: _experiment(db, *row), lambda row: row[0])

    def named(self, name: str) -> ExperimentRow:
        """The experiment of this name. Raises StoreError where there is none."""
        with self._connection.taken() as db:
            row = db.execute(f"{_SELECT_EXPERIMENTS} WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise StoreError(
                    f"There is no experiment {name!r} in the store {self._connection.path};"
                    " list them with `experiments`."
                )
            return _experiment(db, *row)

    def progress(self, name: str | None = None, *, points: int) -> ExperimentProgress | None:
        """How each variant of an experiment has done so far, in at most `points` means; without a name, of
        the newest. None where there is no such experiment, or it is damaged.
        """
        query = "SELECT name, plan FROM experiments WHERE ?1 IS NULL OR name = ?1"
        with self._connection.taken() as db:
            rows = db.execute(f"{query} ORDER BY started_at DESC, name LIMIT 1", (name,)).fetchall()
            found = self._connection.intact(
                rows, lambda row: read_progress(db, row[0], row[1], points), lambda row: row[0]
            )
            return found[0] if found else None

    def trials(self, name: str) -> list[TrialRow]:
        """The trials that were attempted, one row each, as planned: by repeat, problem and variant."""
        with self._connection.taken() as db:
            return trial_rows.trials(self._connection, db, name)

    def columns(self, name: str, label: str) -> TrialColumns:
        """The trials of a variant that were attempted as columns, by repeat and problem as planned."""
        with self._connection.taken() as db:
            return read_columns(self._connection, db, name, label)

    def trial_of(self, run_id: str) -> TrialRow:
        """A run as the only trial of its variant. Raises RunNotFoundError where there is none of this id."""
        with self._connection.taken() as db:
            return trial_rows.trial_of(self._connection, db, run_id)

    def again(self, name: str) -> list[str]:
        """The names of the experiments that try flips of this one again, oldest first."""
        query = (
            "SELECT name FROM experiments WHERE json_extract(plan, '$.again') = ? ORDER BY started_at, name"
        )
        with self._connection.taken() as db:
            return [again for (again,) in db.execute(query, (name,))]

    def attempts(self, name: str) -> dict[str, Attempt]:
        """The reported attempt of each trial that was attempted, by trial key."""
        with self._connection.taken() as db:
            return attempts(db, name)

    def searches(self, name: str) -> dict[str, SearchUsage]:
        """What the searches of the experiment used, by the variant's label."""
        query = f"""
            SELECT json_extract(o.trial, '$[1]'), count(*), sum(r.tokens_in), sum(r.tokens_out),
              CASE WHEN count(*) = count(r.cost_usd) THEN sum(r.cost_usd) END,
              sum(CASE WHEN json_array_length(o.trial) = 2 THEN r.wall_ms END)
            FROM origins o JOIN runs r ON r.id = o.run_id
            WHERE o.experiment = ? AND o.stage = 'search' AND {_SEARCHES} GROUP BY 1"""
        with self._connection.taken() as db:
            return {label: SearchUsage(*usage) for label, *usage in db.execute(query, (name,))}

    def questions(self, name: str) -> set[tuple[str, str]]:
        """The problems of the trials that were attempted: id and the beginning of the question."""
        query = """
            SELECT DISTINCT r.problem_id, r.prompt FROM origins o JOIN runs r ON r.id = o.run_id
            WHERE o.experiment = ? AND o.stage = 'final'"""
        with self._connection.taken() as db:
            return set(db.execute(query, (name,)))

    def search_runs(self, name: str) -> dict[str, list[str]]:
        """The attempts at each search of the experiment, as ids of runs in order, by the variant's label."""
        query = f"""
            SELECT json_extract(o.trial, '$[1]'), r.id FROM origins o JOIN runs r ON r.id = o.run_id
            WHERE o.experiment = ? AND o.stage = 'search' AND {_SEARCHES} AND json_array_length(o.trial) = 2
            ORDER BY r.started_at, r.id"""
        runs: dict[str, list[str]] = {}
        with self._connection.taken() as db:
            for label, run_id in db.execute(query, (name,)):
                runs.setdefault(label, []).append(run_id)
        return runs

    def recorded(self, name: str, step: str) -> dict[str, Any]:
        """What each search of the experiment recorded for this step of its journal, by variant label."""
        with self._connection.taken() as db:
            rows = db.execute("SELECT key, value FROM journal WHERE experiment = ?", (name,)).fetchall()
        by_key = ((json.loads(key), value) for key, value in rows)
        return {label: json.loads(value) for (label, its_step), value in by_key if its_step == step}

    def candidate_scores(self, name: str) -> dict[str, float]:
        """The share of trials solved by each workflow that the searches of an experiment tried.

        By workflow id, in [0, 1]; trials without a verdict (`infra`) count neither way.
        """
        query = (
            "SELECT r.workflow_id, avg(r.score >= 1.0) FROM origins o JOIN runs r ON r.id = o.run_id"
            " WHERE o.experiment = ? AND o.stage = 'search' AND r.score IS NOT NULL"
            " AND r.workflow_id IS NOT NULL GROUP BY r.workflow_id"
        )
        with self._connection.taken() as db:
            return dict(db.execute(query, (name,)).fetchall())

    def rollout_scores(self, job: str) -> dict[str, float]:
        """The share of instances solved by each workflow that a training job wrote for tasks.

        As `candidate_scores`, but on the split from which the rewards come; and a run that ended without a
        verdict through its own fault, as on a spent budget, solved nothing.
        """
        query = (
            "SELECT r.workflow_id, avg(coalesce(r.val_score, 0.0) >= 1.0) FROM runs r WHERE r.job = ?"
            " AND r.workflow_id IS NOT NULL AND (r.val_score IS NOT NULL OR r.status NOT IN"
            " ('infra', 'error', 'cancelled', 'interrupted', 'running'))"
            " AND NOT EXISTS (SELECT 1 FROM model_calls m WHERE m.run_id = r.id AND m.role = 'meta')"
            " GROUP BY r.workflow_id"
        )
        with self._connection.taken() as db:
            return dict(db.execute(query, (job,)).fetchall())

    def found(self, name: str) -> dict[str, dict[str, Any]]:
        """What the searches of the experiment found, by the variant's label."""
        return self.recorded(name, FOUND)


def _experiment(
    db: sqlite3.Connection, name: str, benchmark: str, plan: str, started_at: float, *owner: Any
) -> ExperimentRow:
    is_held = owner[0] is not None and not Owner(*owner).is_gone()
    runs, unpriced, cost, tokens_in, tokens_out = map(
        sum,
        zip(
            *(db.execute(query, (name,)).fetchone() or (0,) * 5 for query in (_SPENT, _UNDER_WAY)),
            strict=True,
        ),
    )
    data = json.loads(plan)
    return ExperimentRow(
        name,
        benchmark,
        data,
        started_at,
        owner[0] if is_held else None,
        runs,
        None if unpriced else cost,
        cost,
        int(tokens_in),
        int(tokens_out),
        tuple(_states(db, name, data)),
    )


def attempts(db: sqlite3.Connection, name: str) -> dict[str, Attempt]:
    """The reported attempt of each trial that was attempted, by trial key."""
    query = "SELECT trial, run_id, status, score FROM trials WHERE experiment = ?"
    return {trial: Attempt(*row) for trial, *row in db.execute(query, (name,))}


def _states(db: sqlite3.Connection, name: str, plan: dict[str, Any]) -> list[VariantState]:
    """How far each variant is. Raises ValueError where a trial has no name."""
    total = len(plan["problems"]) * plan["repeats"]
    tallies = {label: Tally(label, total) for label in plan["variants"]}
    counts = "SELECT label, done, passed, errors, infra, scored, score FROM tallies WHERE experiment = ?"
    for label, *counted in db.execute(counts, (name,)):
        if label in tallies:
            tallies[label] = Tally(label, total, *counted)
    unread = "SELECT trial, run_id, status, score FROM trials INDEXED BY trials_unread"
    for trial, *row in db.execute(f"{unread} WHERE experiment = ? AND label IS NULL", (name,)):
        if (tally := tallies.get(TrialKey.parse(trial).label)) is not None:
            tally.add(Attempt(*row))
    searches = _searches(db, name)
    return [tally.state(searches.get(label)) for label, tally in tallies.items()]


def _searches(db: sqlite3.Connection, name: str) -> dict[str, str]:
    """The state of each search: "done", or how many steps its journal has."""
    states: dict[str, str] = {}
    steps: dict[str, int] = {}
    for (key,) in db.execute("SELECT key FROM journal WHERE experiment = ?", (name,)):
        label, step = json.loads(key)
        steps[label] = steps.get(label, 0) + 1
        if step == FOUND:
            states[label] = "done"
    return {label: f"{count} steps" for label, count in steps.items()} | states


def journal_key(label: str, step: str) -> str:
    """The key of a search's step in the journal: label and step as a JSON array."""
    return json.dumps([label, step])
