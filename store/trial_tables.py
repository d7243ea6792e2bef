"""What keeps experiments as fast to read, however many trials they have: three tables that triggers keep,
whoever writes, and one that is filled when the run of a trial ends.

`trials` has the attempt that is reported of each trial, `tallies` counts them by variant, `spent` adds up
what an experiment's ended runs used, and `usage` is what the run of a trial used (`store.usage`).
"""

from __future__ import annotations

import json
import sqlite3

from engine.experiments.keys import DONE
from store import usage

_TABLES = (
    """
CREATE TABLE trials ( -- the attempt that is reported of each trial of an experiment; kept by triggers
  experiment TEXT NOT NULL, -- experiments.name
  trial TEXT NOT NULL, -- origins.trial
  label TEXT, -- the variant's; NULL, like the next two, where the trial's name is not plain
  problem_id TEXT, -- problem
  repeat INTEGER, -- from 1
  run_id TEXT NOT NULL, -- the latest attempt that counts, or else the latest
  attempts INTEGER NOT NULL, -- runs of the trial
  status TEXT NOT NULL, -- of the run
  score REAL, -- of the run
  PRIMARY KEY (experiment, trial)
) WITHOUT ROWID""",
    "CREATE INDEX trials_unread ON trials(experiment) WHERE label IS NULL",
    """
CREATE TABLE tallies ( -- how far each variant of an experiment is, in trials; kept by triggers
  experiment TEXT NOT NULL, -- experiments.name
  label TEXT NOT NULL, -- the variant's
  done INTEGER NOT NULL, -- those that count
  passed INTEGER NOT NULL, -- of them
  errors INTEGER NOT NULL, -- of them, errors and spent budgets
  infra INTEGER NOT NULL, -- to do again, for want of a sandbox
  scored INTEGER NOT NULL, -- of the done ones, those with something to score
  score REAL NOT NULL, -- their sum
  PRIMARY KEY (experiment, label)
) WITHOUT ROWID""",
    """
CREATE TABLE spent ( -- what the ended runs of an experiment used, searches too; kept by triggers
  experiment TEXT PRIMARY KEY NOT NULL, -- experiments.name
  runs INTEGER NOT NULL, -- runs
  unpriced INTEGER NOT NULL, -- of them, those whose cost is unknown
  cost_usd REAL NOT NULL, -- of the others
  tokens_in INTEGER NOT NULL, -- of all
  tokens_out INTEGER NOT NULL -- of all
) WITHOUT ROWID""",
    """
CREATE TABLE usage ( -- what the run of a trial used, once it has ended
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  meta_calls INTEGER NOT NULL, -- model calls of the meta-agent
  meta_tokens_in INTEGER NOT NULL, -- of their prompts
  meta_tokens_out INTEGER NOT NULL, -- of their reasoning and text
  meta_cost_usd REAL, -- NULL is unknown
  meta_latency_ms REAL NOT NULL, -- while at least one of them was under way
  meta_call_ms REAL NOT NULL, -- the sum of their durations
  worker_calls INTEGER NOT NULL, -- model calls of the worker
  worker_tokens_in INTEGER NOT NULL, -- of their prompts
  worker_tokens_out INTEGER NOT NULL, -- of their reasoning and text
  worker_cost_usd REAL, -- NULL is unknown
  worker_latency_ms REAL NOT NULL, -- while at least one of them was under way
  worker_call_ms REAL NOT NULL, -- the sum of their durations
  operators TEXT NOT NULL -- steps by operator, JSON
) WITHOUT ROWID""",
)

_AT_ONCE = 5_000  # runs in memory while the table of their usage is filled
_DONE = f"IN ({', '.join(map(repr, DONE))})"
_OF_TRIAL = "o.experiment IS NOT NULL AND o.trial IS NOT NULL AND o.stage = 'final'"
# Half a surrogate pair, which JSON can name, is no text that could be read back.
_PLAIN = (
    "iif(json_valid(o.trial), json_array_length(o.trial) = 3 AND json_type(o.trial, '$[0]') = 'text'"
    " AND json_type(o.trial, '$[1]') = 'text' AND json_type(o.trial, '$[2]') = 'integer'"
    " AND instr(lower(o.trial), '\\ud') = 0, false)"
)
_NAME = ", ".join(
    f"iif({_PLAIN}, json_extract(o.trial, '$[{place}]'), NULL) AS {column}"
    for place, column in enumerate(("label", "problem_id", "repeat"))
)
_COLUMNS = "experiment, trial, label, problem_id, repeat, run_id, attempts, status, score"
_BEST_FIRST = f"r.status {_DONE} DESC, r.started_at DESC, r.id DESC"
_TALLY_COLUMNS = ("done", "passed", "errors", "infra", "scored", "score")
_SPENT_COLUMNS = ("runs", "unpriced", "cost_usd", "tokens_in", "tokens_out")


def _tallied(row: str) -> tuple[str, ...]:
    """What a row of `trials` adds to its tally."""
    done = f"{row}.status {_DONE}"
    scored = f"({done} AND {row}.status <> 'answered')"
    errors, infra = f"{row}.status IN ('error', 'budget')", f"{row}.status = 'infra'"
    score = f"iif({scored}, coalesce({row}.score, 0.0), 0.0)"
    return (done, f"{row}.status = 'passed'", errors, infra, scored, score)


def _used(row: str) -> tuple[str, ...]:
    """What an ended run adds to what its experiment spent."""
    cost = f"{row}.cost_usd"
    return ("1", f"{cost} IS NULL", f"coalesce({cost}, 0.0)", f"{row}.tokens_in", f"{row}.tokens_out")


def _total(values: tuple[str, ...]) -> str:
    return ", ".join(f"sum({value})" for value in values)


_FILL = (
    f"""
INSERT INTO trials({_COLUMNS}) SELECT {_COLUMNS} FROM (
  SELECT o.experiment, o.trial, {_NAME}, r.id AS run_id, r.status, r.score,
    count(*) OVER (PARTITION BY o.experiment, o.trial) AS attempts,
    row_number() OVER (PARTITION BY o.experiment, o.trial ORDER BY {_BEST_FIRST}) AS place
  FROM origins o JOIN runs r ON r.id = o.run_id WHERE {_OF_TRIAL}
) WHERE place = 1 ORDER BY experiment, trial""",
    f"""
INSERT INTO tallies(experiment, label, {", ".join(_TALLY_COLUMNS)})
  SELECT t.experiment, t.label, {_total(_tallied("t"))}
  FROM trials t WHERE t.label IS NOT NULL GROUP BY 1, 2""",
    f"""
INSERT INTO spent(experiment, {", ".join(_SPENT_COLUMNS)})
  SELECT o.experiment, {_total(_used("r"))} FROM origins o JOIN runs r ON r.id = o.run_id
  WHERE o.experiment IS NOT NULL AND r.status <> 'running' GROUP BY 1""",
)


def _add(
    table: str, key: str, columns: tuple[str, ...], values: tuple[str, ...], sign: str, rows: str
) -> str:
    """A statement that adds to a row of sums, or subtracts from it."""
    added = ", ".join(f"{sign}({value})" for value in values)
    sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)
    keys = {"tallies": "experiment, label", "spent": "experiment"}[table]
    return (
        f"INSERT INTO {table}({keys}, {', '.join(columns)}) SELECT {key}, {added} {rows}"
        f" ON CONFLICT DO UPDATE SET {sums};"
    )


def _tally(row: str, sign: str) -> str:
    key = f"{row}.experiment, {row}.label"
    return _add("tallies", key, _TALLY_COLUMNS, _tallied(row), sign, f"WHERE {row}.label IS NOT NULL")


def _spend(row: str, sign: str, origin: str) -> str:
    """Of the run `row`, where it has ended; `origin` is a condition on its row `o` of `origins`."""
    rows = f"FROM origins o WHERE {origin} AND o.experiment IS NOT NULL AND {row}.status <> 'running'"
    return _add("spent", "o.experiment", _SPENT_COLUMNS, _used(row), sign, rows)


def _report(experiment: str, trial: str) -> str:
    """Statements that report the best attempt of a trial, if there is one left."""
    of_trial = f"o.experiment = {experiment} AND o.trial = {trial} AND o.stage = 'final'"
    attempts = f"SELECT count(*) FROM origins o WHERE {of_trial}"
    return f"""DELETE FROM trials WHERE experiment = {experiment} AND trial = {trial};
  INSERT INTO trials({_COLUMNS})
    SELECT o.experiment, o.trial, {_NAME}, r.id, ({attempts}), r.status, r.score
    FROM origins o JOIN runs r ON r.id = o.run_id WHERE {of_trial} ORDER BY {_BEST_FIRST} LIMIT 1;"""


_ORIGIN = "(SELECT o.{0} FROM origins o WHERE o.run_id = new.id)"
_TRIGGERS = (
    f"""
CREATE TRIGGER trials_insert AFTER INSERT ON trials WHEN new.status <> 'running' BEGIN
  {_tally("new", "+")}
END""",
    f"""
CREATE TRIGGER trials_delete AFTER DELETE ON trials WHEN old.status <> 'running' BEGIN
  {_tally("old", "-")}
END""",
    f"""
CREATE TRIGGER origins_try AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  {_report("new.experiment", "new.trial")}
END""",
    f"""
CREATE TRIGGER origins_spend AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  {
        _add(
            "spent",
            "new.experiment",
            _SPENT_COLUMNS,
            _used("r"),
            "+",
            "FROM runs r WHERE r.id = new.run_id AND r.status <> 'running'",
        )
    }
END""",
    f"""
CREATE TRIGGER origins_leave AFTER DELETE ON origins WHEN old.experiment IS NOT NULL BEGIN
  {_report("old.experiment", "old.trial")}
  {
        _add(
            "spent",
            "old.experiment",
            _SPENT_COLUMNS,
            _used("r"),
            "-",
            "FROM runs r WHERE r.id = old.run_id AND r.status <> 'running'",
        )
    }
END""",
    f"""
CREATE TRIGGER origins_change AFTER UPDATE OF experiment, trial, stage ON origins BEGIN
  {_report("old.experiment", "old.trial")}
  {_report("new.experiment", "new.trial")}
END""",
    f"""
CREATE TRIGGER runs_report AFTER UPDATE OF status, score ON runs
  WHEN EXISTS (SELECT 1 FROM origins o WHERE o.run_id = new.id AND {_OF_TRIAL}) BEGIN
  {_report(_ORIGIN.format("experiment"), _ORIGIN.format("trial"))}
END""",
    f"""
CREATE TRIGGER runs_spend AFTER UPDATE OF status, cost_usd, tokens_in, tokens_out ON runs
  WHEN old.status <> 'running' OR new.status <> 'running' BEGIN
  {_spend("old", "-", "o.run_id = old.id")}
  {_spend("new", "+", "o.run_id = new.id")}
END""",
)


def make(db: sqlite3.Connection) -> None:
    """Add the tables, what belongs in them, and the triggers, inside the caller's transaction."""
    for statement in (*_TABLES, *_FILL):
        db.execute(statement.strip())
    attempts = f"SELECT r.id FROM origins o JOIN runs r ON r.id = o.run_id WHERE {_OF_TRIAL}"
    ended = [run_id for (run_id,) in db.execute(f"{attempts} AND r.status <> 'running'")]
    for start in range(0, len(ended), _AT_ONCE):
        chunk = json.dumps(ended[start : start + _AT_ONCE])
        usage.keep(db, "SELECT value FROM json_each(?)", chunk)
    for statement in _TRIGGERS:
        db.execute(statement.strip())
