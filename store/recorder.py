"""Recording: events in, committed rows out.

One thread per process writes. Milestones return when they are on disk and share commits with
whatever else waits; streamed text returns at once and is at most one flush interval from the disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.events import Event, RunFinished
from store import annotations as remarks
from store.db import LOCK_TIMEOUT_S, Checkpoints, open_writer, write
from store.errors import RecordError, StoreError, explain
from store.interrupted import end_lost, mark_interrupted
from store.projections import add

FLUSH_S = 0.15
BATCH_EVENTS = 200
_RETRY_S = 2.0  # between attempts to end runs in a store that could not be written
# Streamed events wait like milestones once this many are queued, or memory would be the buffer.
_QUEUE_EVENTS = 5000
# What one unsuitable event raises, as opposed to a store that cannot be written.
UNSUITABLE = (
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(TypeError, ValueError, OverflowError, AttributeError, RecursionError),
)


@dataclass(slots=True)
class _Item:
    event: Event
    done: Future[None] | None  # None: nobody waits


class Recorder:
    """Records the events of any number of runs at once. Use as an async context manager.

    After a failed write it refuses every further event; what was committed stays. Opening it
    closes the runs that a dead process left behind.
    """

    def __init__(self, path: Path | str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.path = Path(path)
        self._lock_timeout_s = lock_timeout_s
        self._queue: queue.Queue[_Item | None] = queue.Queue()
        self._failure: StoreError | None = None
        self._running: set[str] = set()  # runs of which something was stored, but not their end
        self._closed = True  # for callers
        self._stopping = False  # for the thread, which still writes what was queued before
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = _pending()

    async def __aenter__(self) -> Self:
        """Raises StoreError when the store cannot be opened for writing."""
        opened: Future[None] = _pending()
        self._thread = threading.Thread(target=self._main, args=(opened,), name="recorder", daemon=True)
        self._thread.start()
        try:
            await asyncio.wrap_future(opened)
        except BaseException:
            self._queue.put(None)  # cancelled: nobody will close what opens in a moment
            raise
        self._closed = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is queued. Raises StoreError when that fails and nothing else already did."""
        self._closed = True
        self._queue.put(None)
        try:
            await asyncio.wrap_future(self._ended)
        except asyncio.CancelledError:
            # Leaving now would end the process, and with it the thread, before the last flush.
            assert self._thread is not None
            self._thread.join()
            raise
        if self._failure is not None and error is None:
            raise self._failure

    async def record(self, event: Event) -> None:
        """Store `event`; a milestone is on disk on return, and is stored even if this is cancelled.

        Raises:
            RecordError: this event cannot be stored; others can.
            StoreError: the store cannot be written; the message says why and what to do.
        """
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StoreError(
                f"The recorder of {self.path} is not open; record inside its `async with` block."
            )
        if not event.milestone and self._queue.qsize() < _QUEUE_EVENTS:
            self._queue.put(_Item(event, None))
            return
        done: Future[None] = _pending()
        self._queue.put(_Item(event, done))
        await asyncio.wrap_future(done)

    def _main(self, opened: Future[None]) -> None:
        """The writer thread, from opening the store to the last flush."""
        try:
            db = self._open()
        # The thread's edge: whatever it is, the opener must hear of it rather than wait for ever.
        except Exception as error:  # noqa: BLE001
            opened.set_exception(self._explain(error))
            return
        opened.set_result(None)
        checkpoints = Checkpoints(db, self.path, self._lock_timeout_s)
        try:
            while not self._stopping:
                if batch := self._next_batch():
                    self._commit(db, batch)
                    self._round_off(db, batch)
                    with suppress(sqlite3.Error):  # what is stored is stored
                        checkpoints.after_commit()
                self._end_lost(db)
        finally:
            db.close()
            self._ended.set_result(None)

    def _open(self) -> sqlite3.Connection:
        db = open_writer(self.path, lock_timeout_s=self._lock_timeout_s)
        try:
            mark_interrupted(db)
        except BaseException:
            db.close()
            raise
        return db

    def _next_batch(self) -> list[_Item]:
        """The next events to commit together; none when it is over or time to end lost runs."""
        batch: list[_Item] = []
        deadline = 0.0
        while not self._stopping and len(batch) < BATCH_EVENTS:
            try:
                retry = _RETRY_S if self._failure is not None and self._running else None
                wait = max(0.0, deadline - time.monotonic()) if batch else retry
                item = self._queue.get(timeout=wait)
            except queue.Empty:
                break
            if item is None:
                self._stopping = True
                break
            if not batch:
                deadline = time.monotonic() + FLUSH_S
            if item.done is not None:
                deadline = 0.0  # somebody waits: take only what is here already
            batch.append(item)
        return batch

    def _commit(self, db: sqlite3.Connection, batch: list[_Item]) -> None:
        """Commit the batch and tell whoever waits. One unsuitable event fails alone."""
        if self._failure is not None:
            _settle(batch, self._failure)
            return
        try:
            with write(db):
                add(db, (item.event for item in batch))
        except UNSUITABLE as error:
            if len(batch) > 1:
                for item in batch:
                    self._commit(db, [item])
            else:
                self._refuse(batch[0], error)
        # The thread's edge: an unforeseen error must reach the callers, not end the thread silently.
        except Exception as error:  # noqa: BLE001
            self._failure = self._explain(error)
            _settle(batch, self._failure)
        else:
            for item in batch:
                if isinstance(item.event, RunFinished):
                    self._running.discard(item.event.run_id)
                else:
                    self._running.add(item.event.run_id)
            _settle(batch, None)

    def _end_lost(self, db: sqlite3.Connection) -> None:
        """After a failure: end the runs whose own end cannot come any more, once there is room."""
        if self._failure is not None and self._running:
            with suppress(sqlite3.Error, StoreError):
                end_lost(db, self._running, f"Its events could not be stored any more: {self._failure}")
                self._running.clear()

    def _round_off(self, db: sqlite3.Connection, batch: list[_Item]) -> None:
        """Of the runs that ended in this batch, label those that failed."""
        ended = [item.event for item in batch if isinstance(item.event, RunFinished)]
        for event in ended if self._failure is None else []:
            # What is said of a run must not cost its record, nor anybody else's: whatever could not be
            # labelled here is tried again when somebody looks at the failures.
            with suppress(Exception):
                if remarks.is_due(db, event.run_id):
                    examined = remarks.find(db, event.run_id)
                    with write(db):
                        remarks.keep(db, event.run_id, examined)

    def _refuse(self, item: _Item, error: Exception) -> None:
        event = item.event
        subject = f"Event {event.seq} ({event.kind}) of run {event.run_id!r}"
        refusal = RecordError(f"{subject} cannot be stored: {_reason(error)}.")
        refusal.__cause__ = error
        if item.done is None:
            self._failure = refusal  # nobody waits to hear of it, so the next caller does
        _settle([item], refusal)

    def _explain(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        if isinstance(error, sqlite3.Error):
            failure = explain(error, self.path)
        else:
            failure = StoreError(f"The store {self.path} failed: {type(error).__name__}: {error}.")
        failure.__cause__ = error
        return failure


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, sqlite3.IntegrityError):
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            return "its run has not started"
        if error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            return "the run has an event of this number, or this part of the run, already"
    return str(error) or type(error).__name__


def _pending() -> Future[None]:
    """A future that a cancelled waiter cannot cancel: the write happens all the same."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _settle(batch: list[_Item], error: StoreError | None) -> None:
    for item in batch:
        if item.done is None:
            continue
        if error is None:
            item.done.set_result(None)
        else:
            item.done.set_exception(error)
