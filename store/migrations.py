"""The schema, as migrations. A released migration is never edited: a change is a new one.

The comments inside the statements are kept by SQLite and become the schema reference
(`store.schema_doc`). Rows say which events they came from by `seq`, so that long texts are held
once, by the events, and read on demand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from store import list_tables, trial_tables
from store.errors import NewerSchemaError, StoreError
from store.job_tables import JOB_TABLES

_SET = "store"
# The tables of sqlite-utils, whose tools list these migrations too. The library itself is not used:
# importing it takes as long as a short command does, since it imports pandas where that is installed.
_BOOKKEEPING = (
    """
CREATE TABLE IF NOT EXISTS "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
)""",
    """
CREATE UNIQUE INDEX IF NOT EXISTS "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name")""",
)

_RUNS_AND_EVENTS = (
    """
CREATE TABLE blobs ( -- long texts, each held once
  hash TEXT PRIMARY KEY NOT NULL, -- blake2b of the text, 40 hex digits
  codec TEXT NOT NULL, -- raw or zstd
  size INTEGER NOT NULL, -- bytes of the text before compression
  data BLOB NOT NULL -- UTF-8, lone surrogates kept
)""",
    """
CREATE TABLE variants ( -- named meta-agent configurations, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- hash of the other columns
  name TEXT NOT NULL, -- variant name
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  config TEXT NOT NULL -- options the run was started with, JSON
)""",
    """
CREATE TABLE runs ( -- one variant on one problem
  id TEXT PRIMARY KEY NOT NULL, -- run id
  problem_id TEXT NOT NULL, -- the problem's id
  benchmark TEXT, -- metadata.benchmark of the problem
  prompt TEXT NOT NULL, -- the query's beginning, on one line
  variant TEXT NOT NULL, -- variants.name
  variant_id TEXT NOT NULL, -- the configuration
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  seed INTEGER NOT NULL, -- seed of the run
  sandbox TEXT NOT NULL, -- sandbox backend
  status TEXT NOT NULL, -- running, then the status of run_finished
  score REAL, -- on the test split, 0 to 1
  val_score REAL, -- best mean on the val split, 0 to 1
  strict INTEGER, -- 1 when the scored workflow ran as written, 0 when it was repaired
  started_at REAL NOT NULL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  tokens_in INTEGER NOT NULL, -- so far, then the ledger's total
  tokens_out INTEGER NOT NULL, -- so far, then the ledger's total
  cost_usd REAL, -- so far, then the ledger's total; NULL is unknown
  wall_ms REAL, -- whole run
  model_calls INTEGER NOT NULL, -- finished calls
  steps INTEGER NOT NULL, -- started steps
  workflow_id TEXT, -- the scored workflow
  error TEXT, -- one sentence, shortened
  error_sig TEXT, -- where and how it failed, without numbers, paths and quotes
  tests_written_by TEXT, -- author or model; NULL without tests
  owner_pid INTEGER NOT NULL, -- recording process
  owner_start INTEGER NOT NULL, -- its start, in clock ticks since boot
  owner_boot TEXT NOT NULL -- boot id and pid namespace that both belong to
)""",
    "CREATE INDEX runs_by_time ON runs(started_at, id)",
    "CREATE INDEX runs_by_status ON runs(status, started_at, id)",
    "CREATE INDEX runs_by_variant ON runs(variant, started_at, id)",
    "CREATE INDEX runs_by_problem ON runs(benchmark, problem_id, variant_id)",
    "CREATE INDEX runs_by_error ON runs(error_sig) WHERE error_sig IS NOT NULL",
    # The words of store.rows.FAILED: a partial index serves only a query that repeats its condition.
    """CREATE INDEX runs_failed ON runs(started_at, id)
  WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted')""",
    """
CREATE TABLE events ( -- every event of every run; all other tables derive from it
  id INTEGER PRIMARY KEY, -- order of arrival
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- number within the run
  at REAL NOT NULL, -- Unix seconds
  kind TEXT NOT NULL, -- event kind
  payload BLOB NOT NULL, -- other fields as JSON; long texts as {"$blob": hash}
  UNIQUE (run_id, seq)
)""",
    """
CREATE TABLE blob_refs ( -- which runs need which blobs, so that pruning can tell
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL REFERENCES blobs(hash), -- blob
  PRIMARY KEY (run_id, hash)
) WITHOUT ROWID""",
    "CREATE INDEX blob_refs_by_hash ON blob_refs(hash)",
    """
CREATE TABLE workflows ( -- generated workflows, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- workflow id
  code_hash TEXT NOT NULL, -- blob of the source
  prompts_hash TEXT NOT NULL, -- blob of its prompts
  graph TEXT NOT NULL, -- static operator graph, JSON
  complexity INTEGER NOT NULL, -- of its syntax tree
  first_seen REAL NOT NULL -- Unix seconds
)""",
    """
CREATE TABLE rounds ( -- propose, check, run, feedback
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  round INTEGER NOT NULL, -- from 1
  started_at REAL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  workflow_id TEXT, -- the round's workflow
  score REAL, -- mean pass rate on val
  finished_seq INTEGER, -- event with the feedback
  PRIMARY KEY (run_id, round)
)""",
    """
CREATE TABLE proposals ( -- completions of the meta-agent, parsed
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event
  round INTEGER NOT NULL, -- from 1
  workflow_id TEXT, -- NULL when nothing runnable came out
  strict_ok INTEGER NOT NULL, -- 1 when no repair was needed
  PRIMARY KEY (run_id, seq)
)""",
    "CREATE INDEX proposals_by_workflow ON proposals(workflow_id)",
    """
CREATE TABLE steps ( -- operator calls
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- step id
  execution_id TEXT NOT NULL, -- execution of the workflow
  idx INTEGER NOT NULL, -- number within the execution, from 0
  operator TEXT NOT NULL, -- operator
  line INTEGER, -- line of the workflow's source
  key TEXT NOT NULL, -- content address that replay matches on
  status TEXT NOT NULL, -- running, then the status of step_finished
  error TEXT, -- shortened
  reused INTEGER, -- 1 when the output was replayed
  started_at REAL NOT NULL, -- Unix seconds
  wall_ms REAL, -- duration
  cpu_ms REAL, -- processor time
  tokens_in INTEGER, -- of its model calls
  tokens_out INTEGER, -- of its model calls
  cost_usd REAL, -- of its model calls; NULL is unknown
  started_seq INTEGER NOT NULL, -- event with the inputs
  finished_seq INTEGER, -- event with the output
  PRIMARY KEY (run_id, id)
)""",
    """
CREATE TABLE model_calls ( -- calls to a model
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- call id
  step_id TEXT, -- NULL for the meta-agent
  role TEXT NOT NULL, -- meta or worker
  model TEXT NOT NULL, -- model
  finish TEXT, -- reason the text ended; NULL while running
  retries INTEGER NOT NULL, -- failed attempts before the last
  error TEXT, -- shortened
  started_at REAL NOT NULL, -- Unix seconds
  tokens_in INTEGER, -- of the prompt
  tokens_out INTEGER, -- of reasoning and text
  cost_usd REAL, -- NULL is unknown
  ttft_ms REAL, -- time to the first token
  wall_ms REAL, -- duration
  started_seq INTEGER NOT NULL, -- event with the prompt
  finished_seq INTEGER, -- event with the response
  PRIMARY KEY (run_id, id)
)""",
    """
CREATE TABLE executions ( -- code run in the sandbox on behalf of a step
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with code and verdict
  step_id TEXT, -- step
  purpose TEXT NOT NULL, -- visible-tests or program
  status TEXT, -- of the verdict
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, seq)
)""",
    """
CREATE TABLE evaluations ( -- answers scored in a fresh sandbox
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with the verdict
  execution_id TEXT, -- execution of the workflow
  workflow_id TEXT, -- workflow
  split TEXT NOT NULL, -- visible, val or test
  repeat INTEGER NOT NULL, -- repetition
  score REAL, -- passed / total; NULL when the sandbox failed
  passed INTEGER NOT NULL, -- tests
  total INTEGER NOT NULL, -- tests
  strict INTEGER NOT NULL, -- 0 when the workflow had been repaired
  tests_written_by TEXT NOT NULL, -- author or model
  status TEXT, -- of the verdict
  PRIMARY KEY (run_id, seq)
)""",
    """
CREATE TABLE search_texts ( -- queries, prompts and responses, each once a run, for the full-text index
  id INTEGER PRIMARY KEY, -- an explicit key: implicit ones move when the file is compacted
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL, -- of the text
  kind TEXT NOT NULL, -- query, prompt, response or reasoning
  call_id TEXT, -- first model call with this text
  step_id TEXT, -- its step
  text TEXT NOT NULL, -- the text's beginning
  UNIQUE (run_id, hash)
)""",
    """
CREATE VIRTUAL TABLE search USING fts5(
  text, content='search_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
)""",
    """
CREATE TRIGGER search_insert AFTER INSERT ON search_texts BEGIN
  INSERT INTO search(rowid, text) VALUES (new.id, new.text);
END""",
    """
CREATE TRIGGER search_delete AFTER DELETE ON search_texts BEGIN
  INSERT INTO search(search, rowid, text) VALUES ('delete', old.id, old.text);
END""",
)

_EXPERIMENTS = (
    """
CREATE TABLE origins ( -- where runs come from that are not runs of their own
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  experiment TEXT, -- experiments.name
  trial TEXT, -- its place in the experiment, the same on every attempt
  stage TEXT, -- search or final
  parent TEXT, -- the run it was forked from
  forked_at TEXT -- the parent's step at which it leaves the parent
)""",
    "CREATE INDEX origins_by_trial ON origins(experiment, trial, run_id) WHERE experiment IS NOT NULL",
    "CREATE INDEX origins_by_parent ON origins(parent) WHERE parent IS NOT NULL",
    """
CREATE TABLE experiments ( -- variants on the problems of a benchmark
  name TEXT PRIMARY KEY NOT NULL, -- name
  benchmark TEXT NOT NULL, -- benchmark or file, with its split
  plan TEXT NOT NULL, -- everything that decides which trials there are, JSON
  started_at REAL NOT NULL, -- Unix seconds
  owner_pid INTEGER, -- process that carries it out; NULL while none does
  owner_start INTEGER, -- its start, in clock ticks since boot
  owner_boot TEXT -- boot id and pid namespace that both belong to
)""",
    """
CREATE TABLE journal ( -- what searches have done, so that a resumed one does not do it again
  experiment TEXT NOT NULL REFERENCES experiments(name) ON DELETE CASCADE, -- experiment
  key TEXT NOT NULL, -- JSON: the variant's label and the step; "" is what was found
  value TEXT NOT NULL, -- JSON
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (experiment, key)
) WITHOUT ROWID""",
    """
CREATE TABLE annotations ( -- what people and classifiers say of runs
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  kind TEXT NOT NULL, -- label, note, bookmark or training-set
  value TEXT NOT NULL, -- the label, the note's text or the set's name
  source TEXT NOT NULL, -- user or auto
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, kind, value)
) WITHOUT ROWID""",
    "CREATE INDEX annotations_by_value ON annotations(kind, value, run_id)",
)

_CLASSIFICATIONS = (
    """
CREATE TABLE classifications ( -- runs that the classifier of failures has seen
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  version INTEGER NOT NULL, -- of the classifier; a newer one looks again
  findings TEXT NOT NULL, -- labels with their evidence, JSON
  refused TEXT NOT NULL -- labels a person took away, JSON; they do not come back
)""",
    "CREATE INDEX classifications_by_version ON classifications(version)",
    # Covers the clusters of failures: 100,000 rows of runs are not read to count them.
    "CREATE INDEX runs_by_signature ON runs(error_sig, started_at, id) WHERE error_sig IS NOT NULL",
    "DROP INDEX runs_by_error",
)

_ROLLOUTS = (
    """
CREATE TABLE rollouts ( -- runs that a training job made to learn from
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  job TEXT NOT NULL, -- training job
  step INTEGER, -- optimiser steps done before it
  group_id TEXT, -- the rollouts it is compared with
  candidate INTEGER -- its number in the group, from 0
)""",
    "CREATE INDEX rollouts_by_group ON rollouts(job, step, group_id, candidate)",
    # Written so, the comment stays in the table's statement.
    "ALTER TABLE runs ADD COLUMN job TEXT -- training job of a rollout, else NULL\n DEFAULT NULL",
    # Lists leave rollouts out, and there may be many more of them than of other runs.
    *(f"DROP INDEX runs_{name}" for name in ("by_time", "by_status", "by_variant", "failed", "by_signature")),
    "CREATE INDEX runs_by_time ON runs(job, started_at, id)",
    "CREATE INDEX runs_by_status ON runs(status, job, started_at, id)",
    "CREATE INDEX runs_by_variant ON runs(variant, job, started_at, id)",
    """CREATE INDEX runs_failed ON runs(job, started_at, id)
  WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted')""",
    """CREATE INDEX runs_by_signature ON runs(job, error_sig, started_at, id)
  WHERE error_sig IS NOT NULL""",
)

# Texts are compressed from here on, which no trigger can read: `store.searched` does it.
_PACKED_TEXTS = ("DROP TRIGGER search_insert", "DROP TRIGGER search_delete")

# Runs that have ended become bundles (`store.bundles`), which versions before this cannot read.
_BUNDLES = (
    "ALTER TABLE search_texts ADD COLUMN seq INTEGER -- event whose text it is; NULL where `text` holds it\n"
    " DEFAULT NULL",
)


def _of(statements: Iterable[str]) -> Callable[[sqlite3.Connection], None]:
    """The migration that these statements make."""

    def migrate(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement.strip())

    return migrate


_MIGRATIONS: dict[str, Callable[[sqlite3.Connection], None]] = {
    "0001_runs_and_events": _of(_RUNS_AND_EVENTS),
    "0002_experiments": _of(_EXPERIMENTS),
    "0003_classifications": _of(_CLASSIFICATIONS),
    "0004_rollouts": _of(_ROLLOUTS),
    "0005_jobs": _of(JOB_TABLES),
    "0006_lists": list_tables.make,
    "0007_trials": trial_tables.make,
    "0008_packed_texts": _of(_PACKED_TEXTS),
    "0009_bundles": _of(_BUNDLES),
}
NAMES = tuple(_MIGRATIONS)


def check(db: sqlite3.Connection, path: Path | str) -> list[str]:
    """The names of the migrations still to apply, in order. Reads only.

    Raises:
        NewerSchemaError: the store has a migration this version does not know.
        StoreError: the file is a database of something else.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "_sqlite_migrations" not in tables:
        if tables:
            raise StoreError(f"The file {path} is a database of another program; use another store.")
        return list(_MIGRATIONS)
    query = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id"
    applied = [name for (name,) in db.execute(query, (_SET,))]
    unknown = [name for name in applied if name not in _MIGRATIONS]
    if unknown:
        raise NewerSchemaError(
            f"The store {path} was written by a newer version of flowreasoner (it has {unknown[0]});"
            " upgrade flowreasoner or use another store."
        )
    return [name for name in _MIGRATIONS if name not in applied]


def apply(db: sqlite3.Connection, names: Iterable[str] = NAMES) -> None:
    """Apply those of these migrations that are missing, in order, inside the caller's transaction."""
    for statement in _BOOKKEEPING:
        db.execute(statement)
    applied = {name for (name,) in db.execute("SELECT name FROM _sqlite_migrations")}
    for name in names:
        if name not in applied:
            _MIGRATIONS[name](db)
            db.execute(
                "INSERT INTO _sqlite_migrations(migration_set, name, applied_at) VALUES (?, ?, ?)",
                (_SET, name, str(datetime.now(UTC))),
            )
