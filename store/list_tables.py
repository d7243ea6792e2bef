"""What keeps lists and counts of runs as fast, however many runs there are: indexes, and two tables that
triggers keep, whoever writes.

`listed` has a run once for each thing said of it that is no column of `runs`, in the order of lists. `counts`
says how many runs failed in each way.
"""

from __future__ import annotations

import sqlite3

from store.rows import FAILED

_FAILED = f"IN ({', '.join(map(repr, FAILED))})"
# What failed runs are counted by: the field of `counts`, and its value of a run.
_FIELDS = {
    "failed": "''",
    "variant": "{}.variant",
    "benchmark": "coalesce({}.benchmark, '')",
    "problem": "{}.problem_id",
}

_TABLES = (
    """
CREATE TABLE listed ( -- runs by what is said of them, in the order of lists; kept by triggers
  field TEXT NOT NULL, -- label, training-set, bookmark or experiment
  value TEXT NOT NULL, -- its name; "" of a label is a failed run without one, of a bookmark any
  job TEXT NOT NULL, -- training job of a rollout; "" for other runs, and for all in a training-set
  started_at REAL NOT NULL, -- of the run, Unix seconds
  run_id TEXT NOT NULL, -- run
  PRIMARY KEY (field, value, job, started_at, run_id)
) WITHOUT ROWID""",
    """
CREATE TABLE counts ( -- how many runs failed in each way, rollouts left out; kept by triggers
  field TEXT NOT NULL, -- failed, variant, benchmark, problem, signature or label (those that passed too)
  value TEXT NOT NULL, -- its name; "" for failed, without a benchmark and without a label
  runs INTEGER NOT NULL, -- runs
  PRIMARY KEY (field, value)
) WITHOUT ROWID""",
    "CREATE INDEX runs_by_benchmark ON runs(benchmark, job, started_at, id)",
    *(
        f"CREATE INDEX runs_failed_by_{name} ON runs({column}, job, started_at, id) WHERE status {_FAILED}"
        for name, column in (("variant", "variant"), ("benchmark", "benchmark"), ("problem", "problem_id"))
    ),
)

# What is there already. The order of `listed` is that of its key, so that it is written once from end to end.
_FILL = (
    """
INSERT INTO listed(field, value, job, started_at, run_id)
  SELECT a.kind, a.value, iif(a.kind = 'training-set', '', coalesce(r.job, '')) AS job, r.started_at, r.id
  FROM annotations a JOIN runs r ON r.id = a.run_id WHERE a.kind IN ('label', 'training-set', 'bookmark')
  UNION ALL
  SELECT 'label', '', '', r.started_at, r.id FROM runs r WHERE r.job IS NULL
    AND r.status {failed} AND NOT EXISTS
    (SELECT 1 FROM annotations a WHERE a.run_id = r.id AND a.kind = 'label')
  UNION ALL
  SELECT 'experiment', o.experiment, coalesce(r.job, ''), r.started_at, r.id
  FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment IS NOT NULL
  ORDER BY 1, 2, 3, 4, 5""",
    *(
        f"INSERT INTO counts(field, value, runs) SELECT '{field}', {value.format('runs')}, count(*)"
        f" FROM runs WHERE job IS NULL AND status {{failed}} GROUP BY 2"
        for field, value in _FIELDS.items()
    ),
    """
INSERT INTO counts(field, value, runs) SELECT 'signature', error_sig, count(*)
  FROM runs WHERE job IS NULL AND error_sig IS NOT NULL GROUP BY 2""",
    """
INSERT INTO counts(field, value, runs)
  SELECT field, value, count(*) FROM listed WHERE field = 'label' AND job = '' GROUP BY value""",
)


def _count(*changes: tuple[str, str, str]) -> str:
    """A statement that adds to counts: the field, an expression of its value, and one of how many to add."""
    rows = " UNION ALL ".join(
        f"SELECT '{field}' AS f, {value} AS v, {by} AS n" for field, value, by in changes
    )
    return (
        f"INSERT INTO counts(field, value, runs) SELECT f, v, n FROM ({rows}) WHERE n <> 0"
        " ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;"
    )


def _failed(row: str, sign: str) -> list[tuple[str, str, str]]:
    """What a run that failed counts for."""
    by = f"{sign}({row}.job IS NULL AND {row}.status {_FAILED})"
    return [(field, value.format(row), by) for field, value in _FIELDS.items()]


def _signed(row: str, sign: str) -> tuple[str, str, str]:
    by = f"{sign}({row}.job IS NULL AND {row}.error_sig IS NOT NULL)"
    return ("signature", f"coalesce({row}.error_sig, '')", by)


def _list(field: str, value: str, run_id: str, where: str) -> str:
    job = f"iif({field} = 'training-set', '', coalesce(r.job, ''))"
    return (
        "INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id)"
        f" SELECT {field}, {value}, {job}, r.started_at, r.id FROM runs r WHERE r.id = {run_id} AND {where};"
    )


def _unlist(field: str, value: str, run_id: str) -> str:
    return (
        f"DELETE FROM listed WHERE field = {field} AND value = {value} AND run_id = {run_id}"
        f" AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = {run_id}) AND job IN ('',"
        f" (SELECT r.job FROM runs r WHERE r.id = {run_id}));"
    )


def _list_unlabelled(run_id: str) -> str:
    """List a run that failed and that no label says anything about."""
    labelled = f"SELECT 1 FROM annotations a WHERE a.run_id = {run_id} AND a.kind = 'label'"
    return _list("'label'", "''", run_id, f"r.job IS NULL AND r.status {_FAILED} AND NOT EXISTS ({labelled})")


_LISTED_KINDS = "IN ('label', 'training-set', 'bookmark')"
_TRIGGERS = (
    f"""
CREATE TRIGGER runs_insert AFTER INSERT ON runs WHEN new.status {_FAILED} OR new.error_sig IS NOT NULL BEGIN
  {_count(*_failed("new", "+"), _signed("new", "+"))}
  {_list_unlabelled("new.id")}
END""",
    f"""
CREATE TRIGGER runs_fail AFTER UPDATE OF status, variant, benchmark, problem_id, job ON runs
  WHEN new.status {_FAILED} OR old.status {_FAILED} BEGIN
  {_count(*_failed("old", "-"), *_failed("new", "+"))}
  {_unlist("'label'", "''", "old.id")}
  {_list_unlabelled("new.id")}
END""",
    f"""
CREATE TRIGGER runs_sign AFTER UPDATE OF error_sig, job ON runs
  WHEN new.error_sig IS NOT NULL OR old.error_sig IS NOT NULL BEGIN
  {_count(_signed("old", "-"), _signed("new", "+"))}
END""",
    # Before, since what the deletion takes along is listed by the run's own time.
    f"""
CREATE TRIGGER runs_delete BEFORE DELETE ON runs BEGIN
  DELETE FROM annotations WHERE run_id = old.id;
  DELETE FROM origins WHERE run_id = old.id;
  {_unlist("'label'", "''", "old.id")}
  {_count(*_failed("old", "-"), _signed("old", "-"))}
END""",
    f"""
CREATE TRIGGER annotations_insert AFTER INSERT ON annotations WHEN new.kind {_LISTED_KINDS} BEGIN
  {_list("new.kind", "new.value", "new.run_id", "true")}
  DELETE FROM listed WHERE new.kind = 'label' AND new.value <> '' AND field = 'label' AND value = ''
    AND job = '' AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = new.run_id)
    AND run_id = new.run_id;
END""",
    f"""
CREATE TRIGGER annotations_delete AFTER DELETE ON annotations WHEN old.kind {_LISTED_KINDS} BEGIN
  {_unlist("old.kind", "old.value", "old.run_id")}
  {_list_unlabelled("old.run_id")}
END""",
    f"""
CREATE TRIGGER origins_insert AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  {_list("'experiment'", "new.experiment", "new.run_id", "true")}
END""",
    f"""
CREATE TRIGGER origins_delete AFTER DELETE ON origins WHEN old.experiment IS NOT NULL BEGIN
  {_unlist("'experiment'", "old.experiment", "old.run_id")}
END""",
    f"""
CREATE TRIGGER listed_insert AFTER INSERT ON listed WHEN new.field = 'label' AND new.job = '' BEGIN
  {_count(("label", "new.value", "1"))}
END""",
    f"""
CREATE TRIGGER listed_delete AFTER DELETE ON listed WHEN old.field = 'label' AND old.job = '' BEGIN
  {_count(("label", "old.value", "-1"))}
END""",
)


def make(db: sqlite3.Connection) -> None:
    """Add the tables, what belongs in them, and the triggers, inside the caller's transaction."""
    for statement in (*_TABLES, *(fill.replace("{failed}", _FAILED) for fill in _FILL), *_TRIGGERS):
        db.execute(statement.strip())
