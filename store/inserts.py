"""Rows that projections add: by column name, with texts fit for a column."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from store.texts import plain

_ERROR_CHARS = 500


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
