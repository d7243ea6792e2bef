"""An experiment being carried out, as the store sees it: its plan, who holds it, its journal, its trials."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engine.events import Event, RunFinished
from engine.experiments.keys import DONE, TrialKey
from engine.experiments.plan import Plan
from engine.experiments.tally import Attempt
from engine.experiments.trials import trial_of
from engine.forks.replies import KINDS, Unfinished, replies_of
from engine.search import Trial
from store import bundles, owners, payloads
from store import experiment_reader as experiments
from store.db import open_writer, write
from store.errors import StoreError, explained
from store.owners import Owner
from store.usage import UNKNOWN_COST

T = TypeVar("T")


class ExperimentLog:
    """What is recorded of one experiment; `engine.experiments.trials.TrialLog`.

    An async context manager that holds the experiment, so that no two processes carry it out at once. A
    process that died holds nothing. Every method raises StoreError where the experiment is not held, or the
    store cannot be read or written.
    """

    def __init__(self, path: Path | str, name: str) -> None:
        self._path, self._name = Path(path), name
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        """Raises StoreError when there is no such experiment, or another process holds it."""
        self._db = await asyncio.to_thread(open_writer, self._path)
        try:
            await self._do(_hold, self._path)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Not in a thread: a second Ctrl-C must not leave the experiment held by a process that lives on.
            with self._lock, explained(self._path):
                assert self._db is not None
                _release(self._db, self._name)
        finally:
            self._close()

    async def attempts(self) -> dict[str, Attempt]:
        """The reported attempt of each trial that was attempted, by trial key."""
        return await self._do(experiments.attempts)

    async def ended(self, key: str) -> Trial | None:
        """How the newest attempt at this trial that counts ended, None where there is none."""
        return await self._do(_ended, key)

    async def unfinished(self, key: str) -> Unfinished | None:
        """What the attempts at a trial were answered since one of them last counted; None where there was
        none since then. Of a damaged record, what comes before the damage counts.
        """
        return await self._do(_unfinished, key)

    async def spent(self) -> tuple[float, int]:
        """US dollars of all model calls so far, and how many calls have an unknown price."""
        return await self._do(_spent)

    def journal(self, label: str) -> StoredJournal:
        """The journal of the search of the variant with this label."""
        return StoredJournal(self, label)

    async def entry(self, key: str) -> tuple[str] | None:
        """The JSON recorded under a journal's key, as the one item of a tuple; None where there is none."""
        return await self._do(_entry, key)

    async def enter(self, key: str, value: Any) -> None:
        """Record a JSON-ready value under a journal's key; it is on disk on return."""
        await self._do(_enter, key, json.dumps(value))

    async def _do(self, function: Callable[..., T], *args: object) -> T:
        def work() -> T:
            with self._lock, explained(self._path):
                if self._db is None:
                    raise StoreError(f"The experiment {self._name} is no longer held; resume it.")
                return function(self._db, self._name, *args)

        return await asyncio.to_thread(work)

    def _close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None


class StoredJournal:
    """`engine.journal.Journal` of one search, in the store."""

    def __init__(self, log: ExperimentLog, label: str) -> None:
        self._log, self._label = log, label

    async def once(self, key: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The value recorded under `key`; where there is none, what `make` returns, recorded first.

        Raises StoreError where the store cannot be read or written.
        """
        name = experiments.journal_key(self._label, key)
        row = await self._log.entry(name)
        if row is not None:
            return json.loads(row[0])
        value = await make()
        await self._log.enter(name, value)
        return value


def create(path: Path | str, plan: Plan) -> None:
    """Store a new experiment's plan.

    Raises StoreError where its name is taken or the store cannot be written.
    """
    row = (plan.name, plan.benchmark, json.dumps(plan.to_json()), time.time())
    db = open_writer(path)
    try:
        with explained(path), write(db):
            existing = db.execute("SELECT 1 FROM experiments WHERE name = ?", (plan.name,)).fetchone()
            if existing:
                raise StoreError(
                    f"There is an experiment {plan.name} already; continue it with --resume {plan.name},"
                    " or choose another --name."
                )
            db.execute("INSERT INTO experiments(name, benchmark, plan, started_at) VALUES (?, ?, ?, ?)", row)
    finally:
        db.close()


def _hold(db: sqlite3.Connection, name: str, path: Path) -> None:
    me = owners.current()
    with write(db):
        query = "SELECT owner_pid, owner_start, owner_boot FROM experiments WHERE name = ?"
        row = db.execute(query, (name,)).fetchone()
        if row is None:
            raise StoreError(
                f"There is no experiment {name!r} in the store {path}; list them with `experiments`."
            )
        if row[0] is not None and not (holder := Owner(*row)).is_gone():
            raise StoreError(
                f"Process {holder.pid} is carrying out the experiment {name}; wait for it, or end it, first."
            )
        _set_owner(db, name, me.pid, me.start, me.boot)


def _release(db: sqlite3.Connection, name: str) -> None:
    with write(db):
        _set_owner(db, name, None, None, None)


def _set_owner(
    db: sqlite3.Connection, name: str, pid: int | None, start: int | None, boot: str | None
) -> None:
    query = "UPDATE experiments SET owner_pid = ?, owner_start = ?, owner_boot = ? WHERE name = ?"
    db.execute(query, (pid, start, boot, name))


def _ended(db: sqlite3.Connection, name: str, key: str) -> Trial | None:
    marks = ", ".join("?" * len(DONE))
    row = db.execute(
        "SELECT r.id FROM origins o JOIN runs r ON r.id = o.run_id"
        f" WHERE o.experiment = ? AND o.trial = ? AND r.status IN ({marks})"
        " ORDER BY r.started_at DESC, r.id DESC LIMIT 1",
        (name, key, *DONE),
    ).fetchone()
    if row is None:
        return None
    (end,) = (payloads.decode(db, end) for end in bundles.rows(db, row[0], (RunFinished.kind,)))
    assert isinstance(end, RunFinished)
    key_of = TrialKey.parse(key)
    return trial_of(key_of.problem_id, key_of.repeat, end)


def _unfinished(db: sqlite3.Connection, name: str, key: str) -> Unfinished | None:
    rows = db.execute(
        "SELECT r.id, r.status FROM origins o JOIN runs r ON r.id = o.run_id"
        " WHERE o.experiment = ? AND o.trial = ? ORDER BY r.started_at DESC, r.id DESC",
        (name, key),
    ).fetchall()
    run_ids = [run_id for run_id, _ in takewhile(lambda row: row[1] not in DONE, rows)]
    if not run_ids:
        return None
    replies = [reply for run_id in reversed(run_ids) for reply in replies_of(_events(db, run_id))]
    return Unfinished(run_ids[0], tuple(replies))


def _events(db: sqlite3.Connection, run_id: str) -> Iterator[Event]:
    """The events of a run that `replies_of` reads, up to one that cannot be read."""
    with suppress(StoreError):
        for row in bundles.rows(db, run_id, tuple(KINDS)):
            yield payloads.decode(db, row)


def _spent(db: sqlite3.Connection, name: str) -> tuple[float, int]:
    known_usd, unknown_calls = db.execute(
        f"SELECT total(cost_usd), total({UNKNOWN_COST})"
        " FROM origins o JOIN model_calls m ON m.run_id = o.run_id WHERE o.experiment = ?",
        (name,),
    ).fetchone()
    return known_usd, int(unknown_calls)


def _entry(db: sqlite3.Connection, name: str, key: str) -> tuple[str] | None:
    return db.execute("SELECT value FROM journal WHERE experiment = ? AND key = ?", (name, key)).fetchone()


def _enter(db: sqlite3.Connection, name: str, key: str, value: str) -> None:
    with write(db):
        query = "INSERT OR REPLACE INTO journal(experiment, key, value, at) VALUES (?, ?, ?, ?)"
        db.execute(query, (name, key, value, time.time()))
