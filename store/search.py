"""Full-text search: what a user types becomes a query that cannot be malformed."""

from __future__ import annotations

import sqlite3

from store.rows import SearchHit
from store.texts import plain

# A filter by text looks at this many hits, newest first; beyond it the page says it is partial.
MAX_HITS = 10_000
_SNIPPET_WORDS = 24


def match_expression(text: str) -> str | None:
    """The FTS5 expression for all words of `text`, the last one as a prefix; None without words.

    Every word is quoted, so that none is an operator: `foo AND (` looks for those three words, of
    which the index, which knows letters and digits only, ignores the bracket.
    """
    words = [word for word in plain(text).split() if any(map(str.isalnum, word))]
    if not words:
        return None
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return " ".join(quoted) + "*"


def search(db: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
    """The best `limit` texts with all words of `text`."""
    expression = match_expression(text)
    if expression is None:
        return []
    rows = db.execute(
        f"""
        SELECT t.run_id, t.step_id, t.call_id, t.kind, snippet(search, 0, '', '', '…', {_SNIPPET_WORDS})
        FROM search JOIN search_texts t ON t.id = search.rowid
        WHERE search MATCH ? ORDER BY rank LIMIT ?
        """,
        (expression, limit),
    )
    return [SearchHit(*row) for row in rows]


def matching_runs(db: sqlite3.Connection, text: str) -> tuple[list[str], bool]:
    """Ids of runs with a text that has all words of `text`, and whether older hits were left out."""
    expression = match_expression(text)
    if expression is None:
        return [], False
    rowids = db.execute(
        "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?",
        (expression, MAX_HITS + 1),
    ).fetchall()
    oldest = rowids[:MAX_HITS]
    if not oldest:
        return [], False
    runs = db.execute(
        "SELECT DISTINCT run_id FROM search_texts WHERE id IN (SELECT value FROM json_each(?))",
        (f"[{','.join(str(rowid) for (rowid,) in oldest)}]",),
    )
    return [run_id for (run_id,) in runs], len(rowids) > MAX_HITS
