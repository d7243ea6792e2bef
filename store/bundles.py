"""A run's events in rows: one each while the run goes on, and several in one, a bundle, once it has ended.

A run's texts recur in it: what a step is given is asked of the model, answered, executed and scored. Together
they take much less than each alone. A bundle is a row of kind "bundle", with the number and the time of its
first event. Its payload has a line of JSON, `[[seq, at, kind], …]`, and then each one's own payload on a line
of its own, so that one of them can be read without the others.

Everything that reads events by run, number or kind does so here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import groupby, islice

from engine.events import Event, ModelDelta
from store import packing, payloads
from store.errors import OF_DAMAGE, StoreError
from store.payloads import COLUMNS, Row
from store.texts import plain

KIND = "bundle"
# Characters of the payloads in a bundle: whoever reads one of them decompresses all.
_CHARS = 64_000
# Rows that are bundled at once. The rest of a longer run is left to `store.shrinking`, since it would hold up
# recording.
_MOST_ROWS = 20_000
# Characters. A row of streamed text that has all it may have (`streams.MOST`) is longer.
_FULL = 3_000
# The row that an event is of has its number, or is the last one before that.
_FROM = f"""
SELECT {COLUMNS} FROM events WHERE run_id = ?1
  AND seq >= coalesce((SELECT max(seq) FROM events WHERE run_id = ?1 AND seq <= ?2), ?2)"""


def rows(db: sqlite3.Connection, run_id: str, kinds: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a run's events of these kinds (of all, without any), in order. Joined text is one row.

    Raises StoreError where a bundle is damaged.
    """
    query = f"SELECT {COLUMNS} FROM events WHERE run_id = ?{_of(kinds)} ORDER BY seq"
    return _chosen(db.execute(query, (run_id, *_or_bundled(kinds))), kinds)


def page(
    db: sqlite3.Connection, run_id: str, after: int, kinds: Sequence[str], limit: int
) -> tuple[list[Event], int | None]:
    """The events of at least `limit` rows after event `after`, as far as they are of these kinds, and after
    which event the next page begins: None where this is the last. A bundle is never read twice.

    Raises StoreError where an event is damaged.
    """
    found: list[Row] = []
    then: int | None = None
    query = f"{_FROM}{_of(kinds)} ORDER BY seq"
    with closing(db.execute(query, (run_id, after + 1, *_or_bundled(kinds)))) as stored:
        for _, seq, *rest in stored:
            if len(found) >= limit:
                then = seq - 1
                break
            found += unbundled((run_id, seq, *rest))  # one string for all: a large trace has 100,000 events
    wanted = (row for row in found if not kinds or row[3] in kinds)
    return [event for row in wanted for event in payloads.expand(db, row) if event.seq > after], then


def row_at(db: sqlite3.Connection, run_id: str, seq: int) -> Row | None:
    """The row of event `seq`, or, where there is none, of the last one before it; None before the first.

    Raises StoreError where its bundle is damaged.
    """
    query = f"SELECT {COLUMNS} FROM events WHERE run_id = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
    found = (row for stored in db.execute(query, (run_id, seq)) for row in unbundled(stored))
    return max((row for row in found if row[1] <= seq), key=lambda row: row[1], default=None)


def event_at(db: sqlite3.Connection, run_id: str, seq: int) -> Event | None:
    """Event `seq` of a run; None where there is none. Raises StoreError where it is damaged."""
    row = row_at(db, run_id, seq)
    events = payloads.expand(db, row) if row is not None else ()
    return next((event for event in events if event.seq == seq), None)


def last(db: sqlite3.Connection, run_id: str) -> Event | None:
    """The last event of a run. Raises StoreError where it is damaged."""
    row = row_at(db, run_id, 1 << 62)
    return payloads.expand(db, row)[-1] if row is not None else None


def rows_before(db: sqlite3.Connection, run_id: str, seq: int, kind: str, most: int) -> Iterator[Row]:
    """The rows of the last `most` events of a kind before event `seq`, the last first.

    Raises StoreError where a bundle is damaged.
    """
    query = f"SELECT {COLUMNS} FROM events WHERE run_id = ? AND seq < ?{_of((kind,))} ORDER BY seq DESC"
    stored = db.execute(query, (run_id, seq, *_or_bundled((kind,))))
    found = (row for each in stored for row in reversed(unbundled(each)))
    return islice((row for row in found if row[1] < seq and row[3] == kind), most)


def unbundled(row: Row) -> list[Row]:
    """The rows that a stored row stands for. Raises StoreError where it is damaged."""
    run_id, seq, _, kind, payload = row
    if kind != KIND:
        return [row]
    try:
        head, *bodies = payloads.as_json(payload).split("\n")
        entries = zip(json.loads(head), bodies, strict=True)
        return [(run_id, number, at, name, body) for (number, at, name), body in entries]
    except (TypeError, ValueError) as error:
        raise StoreError(f"Event {seq} of run {run_id} is damaged ({error}); restore a copy.") from error


def bundle(db: sqlite3.Connection, run_id: str) -> bool:
    """Bundle the rows of a run that has ended, inside the caller's transaction; whether there was anything to
    do. What is damaged stays as it is.
    """
    query = (
        f"SELECT id, run_id, seq, at, kind, iif(kind = '{KIND}', NULL, payload) FROM events"
        f" WHERE run_id = ? ORDER BY seq LIMIT {_MOST_ROWS}"
    )
    stored = db.execute(query, (run_id,)).fetchall()
    changed = False
    # Rows between two bundles stay between them: rows are found by the order of their numbers.
    for is_bundled, part in groupby(stored, key=lambda row: row[4] == KIND):
        old = [] if is_bundled else list(part)
        new = list(_bundled(_joined(db, (_read(tuple(row)) for _, *row in old))))
        if len(new) < len(old):
            ids = [id for id, *_ in old]
            db.executemany("DELETE FROM events WHERE id = ?", ((id,) for id in ids))
            # The last ids: the largest of all tells readers whether there is anything new.
            kept = [(id, *row) for id, row in zip(ids[-len(new) :], new, strict=True)]
            db.executemany(f"INSERT INTO events(id, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", kept)
            changed = True
    return changed


def add_functions(db: sqlite3.Connection) -> None:
    """Give SQL `payload_json(payload)`: an event's other fields as JSON text, of a bundle
    `[[seq, at, kind, fields], …]`; NULL where they are damaged.
    """
    db.create_function("payload_json", 1, _sql_json, deterministic=True)


def _sql_json(payload: str | bytes) -> str | None:
    try:
        text = payloads.as_json(payload)
        if "\n" in text:
            rows = (row[1:] for row in unbundled(("", 0, 0.0, KIND, text)))
            parts = (f"[{seq},{at!r},{json.dumps(kind)},{body}]" for seq, at, kind, body in rows)
            text = f"[{','.join(parts)}]"
        json.loads(text)
    except (StoreError, *OF_DAMAGE):
        return None
    return plain(text)


def _of(kinds: Sequence[str]) -> str:
    """The condition for rows that may hold these kinds."""
    return f" AND kind IN ({', '.join('?' * (len(kinds) + 1))})" if kinds else ""


def _or_bundled(kinds: Sequence[str]) -> tuple[str, ...]:
    return (*kinds, KIND) if kinds else ()


def _chosen(stored: Iterable[Row], kinds: Sequence[str]) -> Iterator[Row]:
    return (row for each in stored for row in unbundled(each) if not kinds or row[3] in kinds)


def _read(row: Row) -> Row:
    """The row with its payload as JSON, where that can be read."""
    try:
        return (*row[:4], payloads.as_json(row[4]))
    except (packing.UnreadableError, *OF_DAMAGE):
        return row


def _joined(db: sqlite3.Connection, stored: Iterable[Row]) -> Iterator[Row]:
    """The rows, with the streamed text that follows itself joined: a row of it was stored every moment."""
    for kind, part in groupby(stored, key=lambda row: row[3]):
        some = list(part)
        if kind == ModelDelta.kind and any(len(str(row[4])) < _FULL for row in some[:-1]):
            with suppress(StoreError, *OF_DAMAGE):
                events = [event for row in some for event in payloads.expand(db, row)]
                some = [_read(row) for row in payloads.rows_of(db, events)]
        yield from some


def _bundled(stored: Iterable[Row]) -> Iterator[Row]:
    """The rows, with those that follow one another in bundles."""
    part: list[Row] = []
    size = 0
    for row in stored:
        body = row[4]
        is_line = isinstance(body, str) and "\n" not in body
        if part and (not is_line or size + len(body) > _CHARS):
            yield _one(part)
            part, size = [], 0
        if is_line:
            part.append(row)
            size += len(body)
        else:
            yield row
    if part:
        yield _one(part)


def _one(part: Sequence[Row]) -> Row:
    """One row for all of them, whose payloads are JSON."""
    run_id, seq, at, kind, text = part[0]
    if len(part) > 1:
        head = json.dumps([row[1:4] for row in part], separators=(",", ":"))
        kind, text = KIND, "\n".join((head, *(str(row[4]) for row in part)))
    return (run_id, seq, at, kind, payloads.packed(str(text)))
