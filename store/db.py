"""Opening the store, and the one way to write to it.

SQLite refuses at once, whatever its busy timeout, to turn a stale reading transaction into a writing
one. So every write here starts with BEGIN IMMEDIATE, which waits for its turn, in `write`; nothing
else in this package starts a transaction.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from store import bundles, migrations
from store.errors import StoreError, StoreWarning, explained

LOCK_TIMEOUT_S = 30.0
_READ_TIMEOUT_S = 5.0
LOG_LIMIT_BYTES = 64 * 1024 * 1024
READERS_TIMEOUT_S = 1.0
_MANY_RUNS = 50_000  # to migrate in so short a time that nobody need be told
_MIGRATE_S_A_RUN = 10e-6  # a step, on two cores of 2023
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "afs", "ceph", "lustre"}


@contextmanager
def write(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One writing transaction: all of the block is committed, or none of it.

    Raises:
        sqlite3.Error: as SQLite raised it, after the rollback; a lock held past the timeout among them.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already; a failing rollback must not hide the first error.
        if db.in_transaction:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise


def open_writer(path: Path | str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> sqlite3.Connection:
    """A connection that may write, to a store created or migrated as needed.

    `lock_timeout_s` is how many seconds each write waits for another process's.

    Raises:
        StoreError: it cannot be opened, is locked, or is not a store (NewerSchemaError: it is a newer
            version's).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder of the store {path} cannot be made: {error.strerror or error}."
        ) from error
    with explained(path):
        db = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            migrations.check(db, path)
            bundles.add_functions(db)
            _configure(db, path, lock_timeout_s)
            _migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


def open_reader(path: Path | str) -> sqlite3.Connection | None:
    """A read-only connection, or None where there is nothing to read yet. Never creates a file.

    A store of an older version is migrated first.

    Raises:
        StoreError: it cannot be opened or is not a store (NewerSchemaError: it is a newer version's).
    """
    path = Path(path)
    try:
        if not path.exists():
            return None
    except OSError as error:
        raise StoreError(f"The store {path} cannot be reached: {error.strerror or error}.") from error
    with explained(path):
        db = _connect_read_only(path)
        try:
            pending = migrations.check(db, path)
        except BaseException:
            db.close()
            raise
    if not pending:
        return db
    db.close()
    if len(pending) == len(migrations.NAMES):
        return None
    # An older store: bring it up to date once, then read it like any other.
    open_writer(path).close()
    return open_reader(path)


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """SQLite cannot read a WAL file in a folder where it may not make the -shm file, unless told
    that nobody else writes; that is certain only where no -wal file lies beside it.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    db = _connect_uri(uri)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        refused = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        folder_writable = os.access(path.parent, os.W_OK, effective_ids=True)
        if not refused or folder_writable or path.with_name(path.name + "-wal").exists():
            raise
        return _connect_uri(f"{uri}&immutable=1")
    return db


def _connect_uri(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        uri, uri=True, timeout=_READ_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    bundles.add_functions(db)
    return db


def _configure(db: sqlite3.Connection, path: Path, lock_timeout_s: float) -> None:
    """Pragmas of a writing connection. They outlive no connection, but for the journal mode."""
    if filesystem := network_filesystem(path):
        message = f"The store {path} lies on a network filesystem ({filesystem}), where SQLite is not safe"
        warnings.warn(f"{message} for several machines at once; keep it on a local disk.", StoreWarning, 3)
    mode = _enter_wal(db, lock_timeout_s)
    if mode != "wal":
        message = f"The store {path} could not switch to write-ahead logging (journal mode {mode!r})"
        warnings.warn(f"{message}; reading while recording will be slow.", StoreWarning, 3)
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute(f"PRAGMA journal_size_limit={LOG_LIMIT_BYTES}")


def _enter_wal(db: sqlite3.Connection, lock_timeout_s: float) -> str:
    """The journal mode after asking for WAL. SQLite does not wait for a lock here, so this does."""
    deadline = time.monotonic() + lock_timeout_s
    while True:
        try:
            return db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing. The lock comes first, so that processes starting together take turns.

    A store with rows is migrated one step a transaction: a step that is cut off is undone, and the next
    opening goes on with it.
    """
    pending = migrations.check(db, path)
    if len(pending) == len(migrations.NAMES):
        steps = [pending]
    else:
        steps = [[name] for name in pending]
        _tell(db, path, pending)
    for step in steps:
        with write(db):
            if set(step) & set(migrations.check(db, path)):
                migrations.apply(db, step)


def _tell(db: sqlite3.Connection, path: Path, pending: list[str]) -> None:
    """Say that opening takes a while, where it does."""
    runs = db.execute("SELECT max(rowid) FROM runs").fetchone()[0] or 0 if pending else 0
    if runs >= _MANY_RUNS:
        message = f"The store {path} is an earlier version's and is being brought up to date, once"
        duration = f"about {max(1, round(runs * len(pending) * _MIGRATE_S_A_RUN))} s for {runs:,} runs"
        resumed = "Nothing is lost when it is interrupted: the next start goes on"
        warnings.warn(f"{message}: {duration}. {resumed}.", StoreWarning, 4)


class Checkpoints:
    """Keeps the write-ahead log of one writing connection from growing for as long as somebody reads.

    SQLite begins the log again only at a moment when nobody reads of it, and with several readers there may
    be none. So once it is large this waits a little for those that read, while new ones read the file itself.
    A reader that stays longer is let be: the next attempt comes when the log is twice as large.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, lock_timeout_s: float) -> None:
        self._db, self._log = db, path.with_name(path.name + "-wal")
        self._lock_timeout_s = lock_timeout_s
        self._limit = LOG_LIMIT_BYTES

    def after_commit(self) -> None:
        """Begin the log again if it is due. Raises sqlite3.Error."""
        try:
            size = self._log.stat().st_size
        except OSError:  # no log: another journal mode
            return
        if size <= self._limit:
            return
        self._db.execute(f"PRAGMA busy_timeout={int(READERS_TIMEOUT_S * 1e3)}")
        try:
            is_busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._db.execute(f"PRAGMA busy_timeout={int(self._lock_timeout_s * 1e3)}")
        self._limit = 2 * size if is_busy else LOG_LIMIT_BYTES


def network_filesystem(path: Path, mountinfo: str | None = None) -> str | None:
    """The type of the network filesystem `path` lies on, or None for a local one.

    `mountinfo` is the text of /proc/self/mountinfo; without it the running system's is read.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    folder = os.path.realpath(path.parent)
    best, kind = "", ""
    for line in mountinfo.splitlines():
        mount, _, tail = line.partition(" - ")
        point = mount.split(" ")[4].replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, tail.split(" ")[0]
    return kind if kind in _NETWORK_FILESYSTEMS or kind.startswith("fuse.ssh") else None
