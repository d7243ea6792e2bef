"""Events as rows: scalar columns, and a JSON payload, compressed, whose long texts are blobs.

A long string becomes `{"$blob": hash}`. A dictionary of the event itself that happens to look like
such a mark is wrapped as `{"$map": {...}}`, so that decoding is exact whatever the event holds. Text that
streamed in one piece is one row (`store.streams`).
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from engine.event_json import UnknownEventError, from_json, to_json
from engine.events import Event, ModelDelta
from store import blobs, packing, streams
from store.errors import StoreError

_BLOB = "$blob"
_MAP = "$map"
# Fields that many events of a run have in common.
_RECURRING = ("call_id", "step_id", "execution_id", "channel", "operator", "model")
_COLUMNS = ("kind", "run_id", "seq", "at")

Row = tuple[str, int, float, str, str | bytes]


COLUMNS = "run_id, seq, at, kind, payload"


def append(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Add events, each run's in order, inside the caller's transaction.

    Raises:
        sqlite3.IntegrityError: the run is unknown, or has an event of this number.
        TypeError, ValueError, RecursionError, OverflowError: the event is not plain data.
    """
    db.executemany(f"INSERT INTO events({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows_of(db, events))


def rows_of(db: sqlite3.Connection, events: Iterable[Event]) -> Iterator[Row]:
    """The rows of events, each run's in order. Stores their long texts, inside the caller's transaction.

    Raises TypeError, ValueError, RecursionError or OverflowError where an event is not plain data.
    """
    for part in streams.joined(events):
        first = part[0]
        data = to_json(first) if len(part) == 1 else streams.to_json(part)
        for column in _COLUMNS:
            data.pop(column, None)
        payload = _dump(data, lambda text, run_id=first.run_id: blobs.put(db, run_id, text))
        yield (first.run_id, first.seq, first.at, first.kind, payload)


def decode(db: sqlite3.Connection, row: Row) -> Event:
    """The event of a row (`COLUMNS`) of another kind than streamed text.

    Raises:
        StoreError: the row is damaged, or of a kind this version does not know.
    """
    return expand(db, row)[0]


def expand(db: sqlite3.Connection, row: Row) -> Sequence[Event]:
    """The events of a row (`COLUMNS`), in order. Raises StoreError as `decode` does."""
    run_id, seq, at, kind, stored = row
    try:
        payload = as_json(stored)
        data = json.loads(payload)
        if '"$' in payload:
            data = _restore(data, lambda name: blobs.get(db, name))
        if kind == ModelDelta.kind and streams.is_joined(data):
            return streams.from_json(run_id, seq, data)
        for name in _RECURRING:
            if isinstance(value := data.get(name), str):
                data[name] = sys.intern(value)
        return [from_json({"kind": kind, "run_id": run_id, "seq": seq, "at": at, **data})]
    except UnknownEventError as error:
        raise StoreError(f"Event {seq} of run {run_id} cannot be read: {error}") from error
    except (json.JSONDecodeError, packing.UnreadableError) as error:
        raise StoreError(f"Event {seq} of run {run_id} is damaged ({error}); restore a copy.") from error


def as_json(payload: str | bytes) -> str:
    """A stored payload as JSON. Raises UnreadableError where it is damaged."""
    if isinstance(payload, str):
        return payload
    if packing.is_packed(payload):
        payload = packing.unpack(payload)
    return payload.decode("utf-8", "surrogatepass")


def packed(payload: str) -> bytes | str:
    """What is stored of a payload given as JSON: compressed where that is shorter."""
    data = blobs.to_bytes(payload)
    return packing.pack(data) or (payload if _is_utf8(payload) else data)


def _dump(data: dict[str, Any], put: Callable[[str], str]) -> str | bytes:
    text = _json(data)
    if len(text) > blobs.LONG or '"$' in text:
        text = _json(_replace(data, put))
    return packed(text)


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _replace(value: Any, put: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return {_BLOB: put(value)} if len(value) > blobs.LONG else value
    if isinstance(value, dict):
        replaced = {key: _replace(item, put) for key, item in value.items()}
        return {_MAP: replaced} if _is_mark(value) else replaced
    if isinstance(value, list | tuple):
        return [_replace(item, put) for item in value]
    return value


def _restore(value: Any, get: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        if _is_mark(value):
            if _BLOB in value:
                return get(value[_BLOB])
            value = value[_MAP]
        return {key: _restore(item, get) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore(item, get) for item in value]
    return value


def _is_mark(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and (_BLOB in value or _MAP in value)
