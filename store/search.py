"""Full-text search: what a user types becomes a query that cannot be malformed."""

from __future__ import annotations

import sqlite3

from store import searched
from store.rows import SearchHit
from store.texts import excerpt, plain

# A search looks at this many hits, newest first; beyond it a page of runs says that it is partial.
MAX_HITS = 4_000
# A pasted page is a query too; the time that FTS5 takes grows faster than the number of words.
_MAX_WORDS = 16
_MAX_WORD_CHARS = 64
_SNIPPET_BEFORE, _SNIPPET_CHARS = 40, 160


def match_expression(text: str) -> str | None:
    """The FTS5 expression for the words of `text`, the last one as a prefix; None without words.

    Every word is quoted, so that none is an operator: `foo AND (` looks for those three words, of
    which the index, which knows letters and digits only, ignores the bracket.
    """
    words = _words(text)
    if not words:
        return None
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return " ".join(quoted) + "*"


def search(db: sqlite3.Connection, text: str, limit: int) -> list[SearchHit]:
    """The best `limit` texts that hold all words of `text`, of the newest `MAX_HITS`; none where it has no
    words.
    """
    expression = match_expression(text)
    if expression is None:
        return []
    rows = db.execute(
        """
        SELECT t.run_id, t.step_id, t.call_id, t.kind, t.seq, t.hash, t.text
        FROM search CROSS JOIN search_texts t ON t.id = search.rowid
        WHERE search MATCH ? AND search.rowid >= ? ORDER BY rank LIMIT ?
        """,
        (expression, _oldest(db, expression), limit),
    )
    words = _words(text)
    return [
        SearchHit(run_id, *where, snippet=snippet(searched.text_of(db, run_id, *text), words))
        for run_id, *where, text in ((*row[:4], row[4:]) for row in rows)
    ]


def _oldest(db: sqlite3.Connection, expression: str) -> int:
    """The oldest of the newest `MAX_HITS` hits: a word that all texts have takes as long to rank as all of
    them.
    """
    newest = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?"
    return db.execute(f"SELECT min(rowid) FROM ({newest})", (expression, MAX_HITS)).fetchone()[0] or 0


def snippet(text: str, words: list[str]) -> str:
    """The part of `text` around the first of `words` that it holds, on one line.

    FTS5 has a function for this, which takes minutes on a text that repeats a word often enough.
    """
    lower = text.lower()
    positions = [at for word in words if (at := lower.find(word.lower())) >= 0]
    start = max(0, min(positions, default=0) - _SNIPPET_BEFORE)
    part = excerpt(text[start:], _SNIPPET_CHARS)
    return f"…{part}" if start else part


def _words(text: str) -> list[str]:
    """The different words to look for, the last one last; a long query is cut."""
    words = [word[:_MAX_WORD_CHARS] for word in plain(text[:10_000]).split() if any(map(str.isalnum, word))]
    return list(dict.fromkeys(words))[:_MAX_WORDS]


def matching_runs(db: sqlite3.Connection, text: str) -> tuple[list[str], bool]:
    """Ids of runs with a text that has all words of `text`, and whether older hits were left out."""
    expression = match_expression(text)
    if expression is None:
        return [], False
    rowids = db.execute(
        "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?",
        (expression, MAX_HITS + 1),
    ).fetchall()
    newest = rowids[:MAX_HITS]
    if not newest:
        return [], False
    runs = db.execute(
        "SELECT DISTINCT run_id FROM search_texts WHERE id IN (SELECT value FROM json_each(?))",
        (f"[{','.join(str(rowid) for (rowid,) in newest)}]",),
    )
    return [run_id for (run_id,) in runs], len(rowids) > MAX_HITS
