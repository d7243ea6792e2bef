"""One store, opened for reading only, by however many parts of a reader."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from store import bundles, migrations
from store.db import open_reader
from store.errors import OF_DAMAGE, readable

R = TypeVar("R")
T = TypeVar("T")


class ReadConnection:
    """A read-only connection that threads take in turn. A file that is missing reads as an empty store."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        # A query may need another part's, which takes the connection once more.
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._empty: sqlite3.Connection | None = None
        self._damaged: set[object] = set()

    @property
    def damaged(self) -> int:
        """How many rows of lists were left out so far, because they could not be read."""
        return len(self._damaged)

    def intact(self, rows: Iterable[R], make: Callable[[R], T], key: Callable[[R], object]) -> list[T]:
        """What `make` returns for each row. A damaged row is left out and counted, once per `key`."""
        results: list[T] = []
        for row in rows:
            try:
                results.append(make(row))
            except OF_DAMAGE:
                self._damaged.add(key(row))
        return results

    @contextmanager
    def taken(self) -> Iterator[sqlite3.Connection]:
        """The connection, held for the block.

        Raises StoreError where the file cannot be read or a row is damaged.
        """
        with self._lock, readable(self.path):
            if self._db is None:
                self._db = open_reader(self.path)
            yield self._db or self._empty_store()

    def version(self) -> int | None:
        """A number that another connection's write changes; None while there is no store.

        Raises StoreError as `taken` does.
        """
        with self.taken() as db:
            return db.execute("PRAGMA data_version").fetchone()[0] if db is self._db else None

    def close(self) -> None:
        """Release the file; the next block opens it again."""
        with self._lock:
            for db in (self._db, self._empty):
                if db is not None:
                    db.close()
            self._db = self._empty = None

    def _empty_store(self) -> sqlite3.Connection:
        if self._empty is None:
            self._empty = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            bundles.add_functions(self._empty)
            migrations.apply(self._empty)
        return self._empty
