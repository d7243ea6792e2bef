"""What can go wrong with the store, each as one sentence: what, where, and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import UnavailableError


class StoreError(UnavailableError):
    """The store cannot do what was asked; the message is one sentence for the user."""


class NewerSchemaError(StoreError):
    """The file was written by a newer version of this program."""


class RecordError(StoreError):
    """One event cannot be stored (duplicate number, unknown run, not plain data); others still can."""


class DamagedError(StoreError):
    """What a row holds is not what this program writes there."""


class RunNotFoundError(StoreError):
    """No run has this id or prefix."""


class AmbiguousRunError(StoreError):
    """Several runs start with this prefix."""


class StoreWarning(UserWarning):
    """The store works, but not as safely or as fast as it should."""


# Primary result codes (extended codes carry them in their low byte) and what the user can do.
_ADVICE: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "is locked by another process; end that process or try again when it is done",
    sqlite3.SQLITE_LOCKED: "is locked by another connection; try again when it is done",
    sqlite3.SQLITE_READONLY: "is read-only; make the file and its folder writable or use another store",
    sqlite3.SQLITE_PERM: "may not be opened; check the permissions of the file and its folder",
    sqlite3.SQLITE_AUTH: "may not be opened; check the permissions of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and may be read and written",
    sqlite3.SQLITE_FULL: "cannot grow because the disk is full; free some space or prune old runs",
    sqlite3.SQLITE_IOERR: "cannot be read or written (input/output error); check free space and the disk",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a copy, or save what is left with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; move the file away or use another store",
}


def explain(error: sqlite3.Error, path: Path | str) -> StoreError:
    """The sentence for an SQLite error met while using the store at `path`."""
    code = getattr(error, "sqlite_errorcode", None)
    advice = _ADVICE.get(code & 0xFF) if code is not None else None
    if advice is None:
        return StoreError(f"The store {path} failed: {error}.")
    return StoreError(f"The store {path} {advice}.")


def no_run(run_id: str, path: Path | str) -> RunNotFoundError:
    """The sentence for an id, or beginning of one, that no run of the store at `path` has."""
    return RunNotFoundError(f"No run begins with {run_id!r} in the store {path}; list them with `runs`.")


# What reading code raises on values that are not what was written: wrong types, broken JSON, missing parts.
OF_DAMAGE = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors inside the block into `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn what a damaged store does to code that reads it into `StoreError`, SQLite's errors included."""
    try:
        with explained(path):
            yield
    except OF_DAMAGE as error:
        text = f"{type(error).__name__}: {error}"[:200]
        raise DamagedError(f"The store {path} holds a damaged row ({text}); restore a copy.") from error
