"""Long texts, held once: named by their hash, compressed above a threshold."""

from __future__ import annotations

import hashlib
import sqlite3

from store.errors import StoreError

# Bytes. Shorter texts gain nothing from compression or from a row of their own.
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
        codec, stored = _pack(data)
        db.execute("INSERT INTO blobs VALUES (?, ?, ?, ?)", (name, codec, len(data), stored))
    db.execute("INSERT OR IGNORE INTO blob_refs VALUES (?, ?)", (run_id, name))
    return name


def get(db: sqlite3.Connection, name: str) -> str:
    """The text named `name`. Raises StoreError where the store does not hold it, or holds it damaged."""
    row = db.execute("SELECT codec, data FROM blobs WHERE hash = ?", (name,)).fetchone()
    if row is None:
        raise StoreError(f"The store lacks the text {name}; it is damaged, restore a copy.")
    return _unpack(name, *row).decode("utf-8", "surrogatepass")


def _pack(data: bytes) -> tuple[str, bytes]:
    if len(data) < LONG:
        return "raw", data
    import zstandard

    packed = zstandard.ZstdCompressor(level=3).compress(data)
    return ("zstd", packed) if len(packed) < len(data) else ("raw", data)


def _unpack(name: str, codec: str, data: bytes) -> bytes:
    if codec == "raw":
        return data
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise StoreError(f"The text {name} in the store is damaged ({error}); restore a copy.") from error
