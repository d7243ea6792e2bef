"""What people and the classifier say of runs: labels, notes, bookmarks and training sets.

A label that a person gives stays theirs; one that the classifier gave is the classifier's to take back
when a newer version looks again, and does not come back once a person took it away.

The classifier is imported by the functions that need it: it is large, and every reader of a store is here.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.events import ModelDelta
from store import bundles, payloads, rows
from store.db import open_writer, write
from store.errors import StoreError, explained, no_run
from store.reading import ReadConnection
from store.texts import error_signature, plain

if TYPE_CHECKING:
    from engine.failures import Baseline, Examined, Finding

Kind = Literal["label", "note", "bookmark", "training-set"]
KINDS: tuple[Kind, ...] = ("label", "note", "bookmark", "training-set")
NAME_CHARS = 60
NOTE_CHARS = 4000
_BATCH = 20
# As the index runs_failed has it.
_FAILED = f"status IN ({', '.join(map(repr, rows.FAILED))})"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing said of a run. `value` is the label, the note's text or the set's name; "" for a bookmark.

    `source` is "user" or "auto"; `at` is Unix seconds.
    """

    run_id: str
    kind: Kind
    value: str
    source: str
    at: float


def checked(kind: Kind, value: str) -> str:
    """`value` in the form in which it is stored; "" for a bookmark.

    Raises StoreError where a note is empty or longer than `NOTE_CHARS`, or a label or a set's name is not
    one.
    """
    value = plain(value).strip()
    if kind == "bookmark":
        return ""
    if kind == "note":
        if not value:
            raise StoreError("A note needs a text.")
        if len(value) > NOTE_CHARS:
            raise StoreError(f"A note has at most {NOTE_CHARS} characters; this one has {len(value)}.")
        return value
    if not value or len(value) > NAME_CHARS or not all(c.isalnum() or c in "-_./+" for c in value):
        noun = "label" if kind == "label" else "training set's name"
        raise StoreError(
            f"A {noun} is at most {NAME_CHARS} letters, digits and -_./+, without spaces; not {value[:80]!r}."
        )
    return value


def annotate(path: Path | str, run_ids: Sequence[str], kind: Kind, value: str = "") -> None:
    """Add this annotation to the runs, in a person's name; what they already have stays.

    Raises StoreError where `value` does not fit the kind, a run does not exist, or the store cannot be
    written.
    """
    value = checked(kind, value)
    new_rows = [(run_id, kind, value, time.time()) for run_id in run_ids]
    with _writing(path) as db:
        for run_id in run_ids:
            if db.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is None:
                raise no_run(run_id, path)
        db.executemany(
            "INSERT INTO annotations(run_id, kind, value, source, at) VALUES (?, ?, ?, 'user', ?)"
            " ON CONFLICT DO UPDATE SET source = 'user'",
            new_rows,
        )


def unannotate(path: Path | str, run_ids: Sequence[str], kind: Kind, value: str | None = None) -> int:
    """Remove this annotation, or without `value` every one of the kind; returns how many were removed.

    Raises StoreError where `value` does not fit the kind, or the store cannot be written.
    """
    removed = 0
    if value is not None:
        value = checked(kind, value)
    where = "run_id = ? AND kind = ?" + ("" if value is None else " AND value = ?")
    with _writing(path) as db:
        for run_id in run_ids:
            key = (run_id, kind) if value is None else (run_id, kind, value)
            values = [v for (v,) in db.execute(f"SELECT value FROM annotations WHERE {where}", key)]
            db.execute(f"DELETE FROM annotations WHERE {where}", key)
            removed += len(values)
            if kind == "label":
                _refuse(db, run_id, values)
    return removed


def _refuse(db: sqlite3.Connection, run_id: str, labels: list[str]) -> None:
    """Remember that a person does not agree with the classifier."""
    row = db.execute("SELECT findings, refused FROM classifications WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        return
    automatic = {finding["label"] for finding in json.loads(row[0])}
    refused = sorted({*json.loads(row[1]), *(automatic & set(labels))})
    db.execute("UPDATE classifications SET refused = ? WHERE run_id = ?", (json.dumps(refused), run_id))


# -- reading ---------------------------------------------------------------------------------------------


class AnnotationReader:
    """Reads the annotations of runs. Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    def of(self, run_ids: Sequence[str]) -> dict[str, list[Annotation]]:
        """The annotations of these runs by run id, sorted by kind and value; runs without any are absent."""
        query = (
            "SELECT run_id, kind, value, source, at FROM annotations"
            " WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, kind, value"
        )
        by_run: dict[str, list[Annotation]] = {}
        with self._connection.taken() as db:
            for row in db.execute(query, (json.dumps(list(run_ids)),)):
                by_run.setdefault(row[0], []).append(Annotation(*row))
        return by_run

    def values(self, kind: Kind) -> list[tuple[str, int]]:
        """(value, number of runs) for each label, or training set, in use; the most used first."""
        query = "SELECT value, count(*) FROM annotations WHERE kind = ? GROUP BY value ORDER BY 2 DESC, 1"
        with self._connection.taken() as db:
            return db.execute(query, (kind,)).fetchall()

    def findings(self, run_id: str) -> tuple[Finding, ...]:
        """What the classifier found in a run, less the labels that a person removed."""
        from engine.failures import finding_from

        query = "SELECT findings, refused FROM classifications WHERE run_id = ?"
        with self._connection.taken() as db:
            row = db.execute(query, (run_id,)).fetchone()
        if row is None:
            return ()
        refused = set(json.loads(row[1]))
        return tuple(finding_from(f) for f in json.loads(row[0]) if f["label"] not in refused)

    def unclassified(self, limit: int = -1) -> list[str]:
        """Failed runs that this version of the classifier has not seen, newest first; a `limit` of -1 is all.

        Rollouts of training are left out: they are looked at once, when they end.
        """
        from engine.failures import VERSION

        unseen = (
            f"SELECT id FROM runs INDEXED BY runs_failed WHERE job IS NULL AND {_FAILED} AND NOT EXISTS"
            " (SELECT 1 FROM classifications c WHERE c.run_id = runs.id AND c.version >= ?)"
            " ORDER BY started_at DESC, id DESC LIMIT ?"
        )
        outdated = "SELECT run_id FROM classifications WHERE version < ? LIMIT ?"
        with self._connection.taken() as db:
            rows = [row for query in (unseen, outdated) for row in db.execute(query, (VERSION, limit))]
        return list(dict.fromkeys(run_id for (run_id,) in rows))


# -- classifying -----------------------------------------------------------------------------------------


def classify_runs(path: Path | str, run_ids: Sequence[str]) -> Iterator[int]:
    """Label these runs, a few per transaction; yields how many are done so far.

    Raises StoreError where the store cannot be read or written.
    """
    db = open_writer(Path(path))
    try:
        with explained(path):
            for start in range(0, len(run_ids), _BATCH):
                batch = run_ids[start : start + _BATCH]
                # Found before the transaction: reading a long run must not hold up whoever records.
                by_run = [(run_id, find(db, run_id)) for run_id in batch]
                with write(db):
                    for run_id, its_findings in by_run:
                        keep(db, run_id, its_findings)
                yield min(start + _BATCH, len(run_ids))
    finally:
        db.close()


def find(db: sqlite3.Connection, run_id: str) -> Examined:
    """What the classifier finds in a run that has ended.

    Raises StoreError where an event of it is damaged.
    """
    from engine.failures import examine

    rows = (row for row in bundles.rows(db, run_id) if row[3] != ModelDelta.kind)
    return examine((payloads.decode(db, row) for row in rows), _baseline(db, run_id))


def keep(db: sqlite3.Connection, run_id: str, examined: Examined) -> None:
    """Replace what the classifier said of a run, inside the caller's transaction."""
    from engine.failures import VERSION

    findings = examined.findings
    if (diagnosis := examined.diagnosis) is not None:
        # In place of what the last of its steps and verdicts said, which was all there was at its end.
        signature = error_signature(diagnosis.who, diagnosis.what)
        db.execute("UPDATE runs SET error_sig = ? WHERE id = ?", (signature, run_id))
    row = db.execute("SELECT refused FROM classifications WHERE run_id = ?", (run_id,)).fetchone()
    refused: set[str] = set(json.loads(row[0])) if row else set()
    db.execute("DELETE FROM annotations WHERE run_id = ? AND kind = 'label' AND source = 'auto'", (run_id,))
    for label in dict.fromkeys(f.label for f in findings if f.label not in refused):
        db.execute(
            "INSERT OR IGNORE INTO annotations(run_id, kind, value, source, at)"
            " VALUES (?, 'label', ?, 'auto', ?)",
            (run_id, label, time.time()),
        )
    # Escaped by JSON: a quote may hold anything, lone surrogates too.
    data = json.dumps([f.to_json() for f in findings])
    db.execute(
        "INSERT INTO classifications(run_id, version, findings, refused) VALUES (?, ?, ?, ?)"
        " ON CONFLICT(run_id) DO UPDATE SET version = excluded.version, findings = excluded.findings",
        (run_id, VERSION, data, json.dumps(sorted(refused))),
    )


# In events. A longer run is classified when somebody opens the failures: reading it here would hold up
# recording.
_MOST_EVENTS = 20_000


def is_due(db: sqlite3.Connection, run_id: str) -> bool:
    """Whether a run that has just ended is worth a look: it failed, or passed tests that it could see."""
    status, is_untested, length = db.execute(
        "SELECT status, NOT EXISTS (SELECT 1 FROM evaluations WHERE run_id = runs.id AND split = 'test'),"
        " (SELECT max(seq) FROM events WHERE run_id = runs.id) FROM runs WHERE id = ?",
        (run_id,),
    ).fetchone()
    return length < _MOST_EVENTS and (status in rows.FAILED or (status == "passed" and bool(is_untested)))


def _baseline(db: sqlite3.Connection, run_id: str) -> Baseline | None:
    """The newest run in which vanilla solved the same problem of the same benchmark with the same worker."""
    from engine.failures import Baseline

    query = """
        SELECT other.id, w.complexity FROM runs
        JOIN runs other ON other.benchmark IS runs.benchmark AND other.problem_id = runs.problem_id
        JOIN workflows w ON w.id = other.workflow_id
        WHERE runs.id = ? AND runs.variant <> 'vanilla' AND other.variant = 'vanilla'
          AND other.status = 'passed' AND other.worker = runs.worker
        ORDER BY other.started_at DESC LIMIT 1
    """
    row: tuple[Any, ...] | None = db.execute(query, (run_id,)).fetchone()
    return Baseline(*row) if row else None


@contextmanager
def _writing(path: Path | str) -> Iterator[sqlite3.Connection]:
    """One writing transaction on a connection of its own. Raises StoreError."""
    db = open_writer(Path(path))
    try:
        with explained(path), write(db):
            yield db
    finally:
        db.close()
