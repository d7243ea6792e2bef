"""Rows that projections add: by column name, with texts fit for a column and for the search."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.events import Event
from store import blobs, packing
from store.texts import plain

_ERROR_CHARS = 500
# The index sees this much of a text: nobody searches for the end of a megabyte of output.
_SEARCHED_CHARS = 20_000


def insert(db: sqlite3.Connection, table: str, *, ignore: bool = False, **values: object) -> None:
    """Add a row inside the caller's transaction; with `ignore`, only where no row has its key."""
    verb = "INSERT OR IGNORE" if ignore else "INSERT"
    marks = ", ".join("?" * len(values))
    execute(db, f"{verb} INTO {table}({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def execute(db: sqlite3.Connection, query: str, values: Sequence[object]) -> sqlite3.Cursor:
    """Run a statement with every text made fit for a column, ids included."""
    return db.execute(query, [plain(value) if isinstance(value, str) else value for value in values])


def short(error: str | None) -> str | None:
    """An error's text cut for its column; None stays None."""
    return None if error is None else plain(error, _ERROR_CHARS)


def searchable(
    db: sqlite3.Connection, event: Event, kind: str, text: str, call_id: str | None = None
) -> None:
    """Index the event's text for search. A text that the run has already is indexed once; a blank one never.

    `kind` is "query", "prompt", "response" or "reasoning"; `call_id` is the model call it is of, if any.
    """
    if not text.strip():
        return
    text = plain(text[:_SEARCHED_CHARS])
    data = text.encode()
    step = "(SELECT step_id FROM model_calls WHERE run_id = ? AND id = ?)"
    added = execute(
        db,
        "INSERT OR IGNORE INTO search_texts(run_id, hash, kind, call_id, step_id, text)"
        f" VALUES (?, ?, ?, ?, {step}, ?)",
        (event.run_id, blobs.address(data), kind, call_id, event.run_id, call_id, packing.pack(data) or text),
    )
    if added.rowcount:
        db.execute("INSERT INTO search(rowid, text) VALUES (?, ?)", (added.lastrowid, text))
