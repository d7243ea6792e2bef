"""Long texts, held once: named by their hash, compressed."""

from __future__ import annotations

import hashlib
import sqlite3

from store import packing
from store.errors import StoreError

# Characters. Shorter texts gain nothing from a row of their own.
LONG = 1024


def address(data: bytes) -> str:
    """The name of a text, given as bytes: its BLAKE2b hash as 40 hex digits."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def to_bytes(text: str) -> bytes:
    """UTF-8 that keeps lone surrogates, which models and programs do produce."""
    return text.encode("utf-8", "surrogatepass")


def put(db: sqlite3.Connection, run_id: str, text: str) -> str:
    """Store `text` for `run_id` inside the caller's transaction; returns its name."""
    data = to_bytes(text)
    name = address(data)
    stored = db.execute("SELECT 1 FROM blobs WHERE hash = ?", (name,)).fetchone()
    if stored is None:
        packed = packing.pack(data)
        codec, kept = ("raw", data) if packed is None else ("zstd", packed)
        db.execute("INSERT INTO blobs VALUES (?, ?, ?, ?)", (name, codec, len(data), kept))
    db.execute("INSERT OR IGNORE INTO blob_refs VALUES (?, ?)", (run_id, name))
    return name


def get(db: sqlite3.Connection, name: str) -> str:
    """The text named `name`. Raises StoreError where the store does not hold it, or holds it damaged."""
    row = db.execute("SELECT codec, data FROM blobs WHERE hash = ?", (name,)).fetchone()
    if row is None:
        raise StoreError(f"The store lacks the text {name}; it is damaged, restore a copy.")
    codec, data = row
    try:
        return (data if codec == "raw" else packing.unpack(data)).decode("utf-8", "surrogatepass")
    except packing.UnreadableError as error:
        raise StoreError(f"The text {name} in the store is damaged ({error}); restore a copy.") from error
