"""Runs whose recorder died: closed with the event that would have closed them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from engine.events import RunFinished
from store import bundles
from store.db import write
from store.owners import Owner
from store.projections import add

_MESSAGE = "The process that ran this ended before the run did."


def mark_interrupted(db: sqlite3.Connection) -> list[str]:
    """End every running run whose process is gone; returns their ids.

    Each gets a `RunFinished` of status "interrupted", dated at its last event, with the totals that are
    stored, so that readers see the stream of a run that ended. Raises sqlite3.Error where the store cannot be
    written, StoreError where a run's last event is damaged.
    """
    if not abandoned(db):
        return []
    with write(db):
        # Looked up again under the lock: another process may have been faster.
        run_ids = abandoned(db)
        for run_id in run_ids:
            _end(db, run_id, _MESSAGE)
    return run_ids


def end_lost(db: sqlite3.Connection, run_ids: Collection[str], why: str) -> None:
    """End those of `run_ids` that the store believes to be running; `why` becomes their error.

    Raises as `mark_interrupted` does.
    """
    with write(db):
        for run_id in run_ids:
            if db.execute("SELECT 1 FROM runs WHERE id = ? AND status = 'running'", (run_id,)).fetchone():
                _end(db, run_id, why)


def _end(db: sqlite3.Connection, run_id: str, why: str) -> None:
    add(db, [_ending(db, run_id, why)])


def abandoned(db: sqlite3.Connection) -> list[str]:
    """Ids of the runs without an end whose process is gone."""
    query = "SELECT id, owner_pid, owner_start, owner_boot FROM runs WHERE status = 'running'"
    return [run_id for run_id, *owner in db.execute(query).fetchall() if Owner(*owner).is_gone()]


def _ending(db: sqlite3.Connection, run_id: str, why: str) -> RunFinished:
    last = bundles.last(db, run_id)
    assert last is not None, run_id  # the row of a run comes with its first event
    started_at, val_score, tokens_in, tokens_out, cost_usd, model_calls, steps = db.execute(
        "SELECT started_at, val_score, tokens_in, tokens_out, cost_usd, model_calls, steps"
        " FROM runs WHERE id = ?",
        (run_id,),
    ).fetchone()
    best = db.execute(
        "SELECT workflow_id FROM rounds WHERE run_id = ? AND score IS NOT NULL"
        " ORDER BY score DESC, round LIMIT 1",
        (run_id,),
    ).fetchone()
    return RunFinished(
        run_id=run_id,
        seq=last.seq + 1,
        at=last.at,
        mono=last.mono,
        status="interrupted",
        score=None,
        val_score=val_score,
        answer=None,
        workflow_id=best[0] if best else None,
        error=why,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost_usd,
        model_calls=model_calls,
        steps=steps,
        wall_ms=max(0.0, (last.at - started_at) * 1000),
    )
