"""The schema as Markdown, read back from a migrated database and the comments in its statements."""

from __future__ import annotations

import re
import sqlite3

from store import migrations
from store.db import write

_COMMENT = re.compile(r"^,?\s*(?:CREATE TABLE )?(\w+)[^\n]*?-- (.*)$", re.MULTILINE)
# SQLite puts a column that is added before the table's constraints, between the last column and its comment.
_ADDED = re.compile(r", (\w+ \w+ -- .*)\n DEFAULT NULL,( -- .*)")


def schema_markdown() -> str:
    """One section a table: its purpose, its columns, its indexes."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with write(db):
            migrations.apply(db)
        tables = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE %'"
            " AND name NOT LIKE 'search@_%' ESCAPE '@' OR name = 'search_texts' ORDER BY name"
        ).fetchall()
        return "\n".join(_section(db, name, sql) for name, sql in tables if not name.startswith("_"))
    finally:
        db.close()


def _section(db: sqlite3.Connection, table: str, sql: str) -> str:
    comments = dict(_COMMENT.findall(_ADDED.sub(r",\2\n  \1", sql)))
    lines = [
        f"## {table}",
        "",
        f"{_sentence(comments[table])}",
        "",
        "| Column | Type | Holds |",
        "| --- | --- | --- |",
    ]
    for _, column, kind, not_null, _, key in db.execute(f"PRAGMA table_info({table})"):
        marks = " key" if key else ("" if not_null else " or NULL")
        text = comments.get(column, "").replace("|", "\\|")
        lines.append(f"| `{column}` | {kind.lower()}{marks} | {text} |")
    indexes = [
        name for _, name, *_ in db.execute(f"PRAGMA index_list({table})") if not name.startswith("sqlite_")
    ]
    if indexes:
        lines += ["", f"Indexes: {', '.join(f'`{name}`' for name in sorted(indexes))}."]
    return "\n".join([*lines, ""])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
