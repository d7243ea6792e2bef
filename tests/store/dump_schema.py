"""Write the schema of this version with one run in it, for the migrations of later versions:

    python -m tests.store.dump_schema > tests/store/schemas/0001.sql

`sqlite3 .dump` will not do: it writes the full-text index's inner tables as if they were ours.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from store.searched import text_of
from tests.store.samples import store, whole_run


def statements(db: sqlite3.Connection) -> Iterator[str]:
    """SQL that makes the same database again: tables with their rows, then everything else."""
    objects = db.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'"
        " AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY rowid"
    ).fetchall()
    tables = [(name, sql) for kind, name, sql in objects if kind == "table" and "VIRTUAL" not in sql]
    yield "BEGIN"
    for name, sql in tables:
        yield sql
        columns = ", ".join(f"quote({column})" for _, column, *_ in db.execute(f"PRAGMA table_info({name})"))
        for row in db.execute(f"SELECT {columns} FROM {name}"):
            yield f"INSERT INTO {name} VALUES ({', '.join(row)})"
    for kind, name, sql in objects:
        if (name, sql) in tables:
            continue
        yield sql
        if kind == "table":
            for rowid, *row in db.execute("SELECT id, run_id, seq, hash, text FROM search_texts").fetchall():
                (quoted,) = db.execute("SELECT quote(?)", (text_of(db, *row),)).fetchone()
                yield f"INSERT INTO {name}(rowid, text) VALUES ({rowid}, {quoted})"
    yield "COMMIT"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store(path, whole_run())
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("UPDATE runs SET owner_pid = 1, owner_start = 1, owner_boot = ''")
        sys.stdout.writelines(f"{statement};\n" for statement in statements(db))
        db.close()


if __name__ == "__main__":
    main()
