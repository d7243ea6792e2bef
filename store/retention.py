"""Deleting old runs, a few a transaction, so that recording goes on meanwhile."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from store import bundles, searched
from store.db import open_reader, open_writer, write
from store.errors import OF_DAMAGE, StoreError, explained
from store.shrinking import pack_runs

_BATCH_RUNS = 20
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was deleted, or would be. `free_bytes` is what the file can reuse without growing."""

    runs: int
    events: int
    blobs: int
    file_bytes: int
    free_bytes: int


def prune(
    path: Path | str,
    *,
    older_than_days: float | None = None,
    keep: int | None = None,
    dry_run: bool = False,
    vacuum: bool = False,
) -> PruneReport:
    """Delete runs that started more than `older_than_days` ago and are not among the `keep` newest.

    Either condition may be left out; without both, no run is deleted. Running runs stay. `vacuum` then
    compresses what older versions stored plainly and shrinks the file, for which it needs as much free disk
    again and the store to itself. With `dry_run` nothing is written and `blobs` is 0, being known only
    afterwards.

    Raises:
        StoreError: neither a condition nor `vacuum` is given, or the store cannot be written.
    """
    path = Path(path)
    if older_than_days is None and keep is None and not vacuum:
        raise StoreError("Say which runs to delete: those older than some days, all but the newest, or both.")
    if (older_than_days or 0) < 0 or (keep or 0) < 0:
        raise StoreError("The days and the number of runs to keep cannot be negative.")
    if not path.exists():
        return PruneReport(0, 0, 0, 0, 0)
    db = open_reader(path) if dry_run else open_writer(path)
    if db is None:
        return PruneReport(0, 0, 0, path.stat().st_size, 0)
    try:
        with explained(path):
            run_ids = _doomed(db, older_than_days, keep)
            events = _count_events(db, run_ids)
            blobs = 0 if dry_run else _delete_runs(db, run_ids)
            if vacuum and not dry_run:
                pack_runs(db)
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            free, page = (
                db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
            )
    finally:
        db.close()
    return PruneReport(len(run_ids), events, blobs, path.stat().st_size, free * page)


def delete_run(path: Path | str, run_id: str) -> None:
    """Delete one run and what only it used. Raises StoreError where the store cannot be written."""
    db = open_writer(Path(path))
    try:
        with explained(path):
            _delete_runs(db, [run_id])
    finally:
        db.close()


def _doomed(db: sqlite3.Connection, older_than_days: float | None, keep: int | None) -> list[str]:
    """The ids to delete, in order of id, which is the order in which their rows lie in the file."""
    if older_than_days is None and keep is None:
        return []
    conditions, values = ["status <> 'running'"], []
    if older_than_days is not None:
        conditions.append("started_at < ?")
        values.append(time.time() - older_than_days * _DAY_S)
    if keep is not None:
        conditions.append("id NOT IN (SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT ?)")
        values.append(keep)
    query = f"SELECT id FROM runs WHERE {' AND '.join(conditions)} ORDER BY id"
    return [run_id for (run_id,) in db.execute(query, values)]


def _count_events(db: sqlite3.Connection, run_ids: list[str]) -> int:
    count = 0
    for run_id in run_ids:
        with suppress(StoreError, *OF_DAMAGE):  # a damaged run can be deleted like others
            last = bundles.last(db, run_id)
            count += last.seq + 1 if last is not None else 0
    return count


def _delete_runs(db: sqlite3.Connection, run_ids: list[str]) -> int:
    """Delete the runs, whose own rows go with them, and what they shared with no other run; the
    number of blobs among that.
    """
    blobs = 0
    for start in range(0, len(run_ids), _BATCH_RUNS):
        batch = json.dumps(run_ids[start : start + _BATCH_RUNS])
        of_batch = "WHERE run_id IN (SELECT value FROM json_each(?))"
        with write(db):
            hashes = db.execute(f"SELECT DISTINCT hash FROM blob_refs {of_batch}", (batch,)).fetchall()
            workflows = db.execute(
                f"SELECT DISTINCT workflow_id FROM proposals {of_batch}", (batch,)
            ).fetchall()
            for run_id in run_ids[start : start + _BATCH_RUNS]:
                searched.forget(db, run_id)
            db.execute("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", (batch,))
            _delete_unused(db, "workflows", "id", "proposals", "workflow_id", workflows)
            blobs += _delete_unused(db, "blobs", "hash", "blob_refs", "hash", hashes)
    with write(db):
        db.execute("DELETE FROM variants WHERE id NOT IN (SELECT variant_id FROM runs)")
    return blobs


def _delete_unused(
    db: sqlite3.Connection, table: str, key: str, users: str, column: str, keys: list[tuple[str]]
) -> int:
    """Delete those of `keys` from `table` that no row of `users` needs; how many."""
    used = f"SELECT 1 FROM {users} WHERE {column} = {table}.{key}"
    deleted = db.executemany(f"DELETE FROM {table} WHERE {key} = ? AND NOT EXISTS ({used})", keys)
    return max(0, deleted.rowcount)
