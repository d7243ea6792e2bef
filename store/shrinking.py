"""Making a store smaller without losing anything: what older versions stored is bundled and compressed.

One run a transaction, and only what is not so yet: whoever interrupts this, by kill -9 too,
can begin again, and what was done stays done. Others may record meanwhile.
"""

from __future__ import annotations

import sqlite3

from store import bundles, packing, payloads, searched
from store.db import write


def pack_runs(db: sqlite3.Connection) -> int:
    """Compress what is stored of all runs that have ended; how many runs had anything to compress."""
    run_ids = db.execute("SELECT id FROM runs WHERE status <> 'running' ORDER BY id").fetchall()
    changed = sum(_pack_run(db, run_id) for (run_id,) in run_ids)
    _pack_blobs(db)
    return changed


def _pack_run(db: sqlite3.Connection, run_id: str) -> bool:
    plain_events = "SELECT id, payload FROM events WHERE run_id = ? AND typeof(payload) = 'text'"
    changes = db.total_changes
    with write(db):
        while bundles.bundle(db, run_id):
            pass
        events = [(payloads.packed(text), id) for id, text in db.execute(plain_events, (run_id,))]
        shorter = (row for row in events if isinstance(row[0], bytes))
        db.executemany("UPDATE events SET payload = ? WHERE id = ?", shorter)
        searched.refer(db, run_id)
    return db.total_changes > changes


def _pack_blobs(db: sqlite3.Connection) -> None:
    """Those that were too short to be compressed without a dictionary."""
    raw = db.execute("SELECT hash, data FROM blobs WHERE codec = 'raw'").fetchall()
    packed = [(data, name) for name, data in ((name, packing.pack(data)) for name, data in raw) if data]
    with write(db):
        db.executemany("UPDATE blobs SET codec = 'zstd', data = ? WHERE hash = ?", packed)
