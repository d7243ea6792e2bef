"""Which texts of a run are searched, and the rows by which a hit in the full-text index leads to its text.

Neither the index nor its rows (`search_texts`) hold the texts, but for rows of older versions: they name the
event whose text it is. To take a text out of the index, SQLite wants it exactly as it was put in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b

from engine.events import Event, ModelCallFinished, ModelCallStarted, RunStarted
from store import bundles, packing, payloads
from store.errors import OF_DAMAGE, StoreError
from store.inserts import execute
from store.texts import plain

_KINDS = (RunStarted.kind, ModelCallStarted.kind, ModelCallFinished.kind)
# The index sees this much of a text: nobody searches for the end of a megabyte of output.
_CHARS = 20_000


def index(db: sqlite3.Connection, event: Event) -> None:
    """Index the event's texts, inside the caller's transaction: one that the run has already, once."""
    call_id = getattr(event, "call_id", None)
    step = "(SELECT step_id FROM model_calls WHERE run_id = ? AND id = ?)"
    for kind, text in _texts(event):
        added = execute(
            db,
            "INSERT OR IGNORE INTO search_texts(run_id, hash, kind, call_id, step_id, text, seq)"
            f" VALUES (?, ?, ?, ?, {step}, '', ?)",
            (event.run_id, _hash(text), kind, call_id, event.run_id, call_id, event.seq),
        )
        if added.rowcount:
            db.execute("INSERT INTO search(rowid, text) VALUES (?, ?)", (added.lastrowid, text))


def text_of(db: sqlite3.Connection, run_id: str, seq: int | None, hash: bytes, stored: str | bytes) -> str:
    """The text of a row of `search_texts`. Raises StoreError where it is damaged."""
    if seq is None:
        return _held(stored)
    event = bundles.event_at(db, run_id, seq)
    for _, text in _texts(event) if event is not None else ():
        if _hash(text) == hash:
            return text
    raise StoreError(f"Event {seq} of run {run_id} lacks a text that it had; restore a copy of the store.")


def forget(db: sqlite3.Connection, run_id: str) -> None:
    """Take a run's texts out of the index, inside the caller's transaction, before the run is deleted.

    Those that are damaged stay there: no row leads from them to anything.
    """
    texts = {_hash(text): text for _, text in _of_run(db, run_id)}
    query = "SELECT id, seq, hash, text FROM search_texts WHERE run_id = ?"
    for rowid, seq, hash, stored in db.execute(query, (run_id,)).fetchall():
        with suppress(StoreError, KeyError):
            text = _held(stored) if seq is None else texts[hash]
            db.execute("INSERT INTO search(search, rowid, text) VALUES ('delete', ?, ?)", (rowid, text))


def refer(db: sqlite3.Connection, run_id: str) -> None:
    """Let rows that hold their texts name the events instead, inside the caller's transaction.

    Those that are damaged stay as they are.
    """
    query = "SELECT id, text FROM search_texts WHERE run_id = ? AND seq IS NULL"
    if not (held := db.execute(query, (run_id,)).fetchall()):
        return
    seqs: dict[str, int] = {}
    for seq, text in _of_run(db, run_id):
        seqs.setdefault(text, seq)
    for rowid, stored in held:
        with suppress(StoreError, KeyError):
            text = _held(stored)
            update = "UPDATE search_texts SET text = '', seq = ?, hash = ? WHERE id = ?"
            db.execute(update, (seqs[text], _hash(text), rowid))


def _texts(event: Event) -> Iterator[tuple[str, str]]:
    """The event's texts that are searched, each with its kind: query, prompt, response or reasoning."""
    found: list[tuple[str, str]] = []
    if isinstance(event, RunStarted):
        found = [("query", f"{event.problem.get('id', '')}\n{event.problem.get('prompt', '')}")]
    elif isinstance(event, ModelCallStarted):
        found = [("prompt", message.get("content", "")) for message in event.messages]
    elif isinstance(event, ModelCallFinished):
        found = [("response", event.text), ("reasoning", event.reasoning)]
    return ((kind, plain(text[:_CHARS])) for kind, text in found if text.strip())


def _of_run(db: sqlite3.Connection, run_id: str) -> Iterator[tuple[int, str]]:
    """The texts of a run that can be read, each with the number of its event."""
    with suppress(StoreError):
        for row in bundles.rows(db, run_id, _KINDS):
            with suppress(StoreError, *OF_DAMAGE):
                event = payloads.decode(db, row)
                yield from ((event.seq, text) for _, text in _texts(event))


def _hash(text: str) -> bytes:
    """What tells a text from the others of its run."""
    return blake2b(text.encode(), digest_size=8).digest()


def _held(stored: str | bytes) -> str:
    """A text that its row holds. Raises StoreError where it is damaged."""
    try:
        return stored if isinstance(stored, str) else packing.unpack(stored).decode()
    except OF_DAMAGE as error:
        raise StoreError(f"A text of the store's search is damaged ({error}); restore a copy.") from error
