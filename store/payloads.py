"""Events as rows: scalar columns, and a JSON payload whose long texts are blobs.

A long string becomes `{"$blob": hash}`. A dictionary of the event itself that happens to look like
such a mark is wrapped as `{"$map": {...}}`, so that decoding is exact whatever the event holds.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from engine.event_json import UnknownEventError, from_json, to_json
from engine.events import Event
from store import blobs
from store.errors import StoreError

_BLOB = "$blob"
_MAP = "$map"
# Fields that many events of a run have in common.
_RECURRING = ("call_id", "step_id", "execution_id", "channel", "operator", "model")
_COLUMNS = ("kind", "run_id", "seq", "at")

Row = tuple[str, int, float, str, str | bytes]


def append(db: sqlite3.Connection, event: Event) -> None:
    """Add the event to its run inside the caller's transaction.

    Raises:
        sqlite3.IntegrityError: the run is unknown, or has an event of this number.
        TypeError, ValueError, RecursionError, OverflowError: the event is not plain data.
    """
    data = to_json(event)
    for column in _COLUMNS:
        del data[column]
    payload = _dump(data, lambda text: blobs.put(db, event.run_id, text))
    db.execute(
        "INSERT INTO events(run_id, seq, at, kind, payload) VALUES (?, ?, ?, ?, ?)",
        (event.run_id, event.seq, event.at, event.kind, payload),
    )


def decode(db: sqlite3.Connection, row: Row) -> Event:
    """The event of a row (run_id, seq, at, kind, payload).

    Raises:
        StoreError: the row is damaged, or of a kind this version does not know.
    """
    run_id, seq, at, kind, payload = row
    if isinstance(payload, bytes):
        payload = payload.decode("utf-8", "surrogatepass")
    try:
        data = json.loads(payload)
        for name in _RECURRING:
            if isinstance(value := data.get(name), str):
                data[name] = sys.intern(value)
        if '"$' in payload:
            data = _restore(data, lambda name: blobs.get(db, name))
        return from_json({"kind": kind, "run_id": run_id, "seq": seq, "at": at, **data})
    except UnknownEventError as error:
        raise StoreError(f"Event {seq} of run {run_id} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise StoreError(f"Event {seq} of run {run_id} is damaged ({error}); restore a copy.") from error


def _dump(data: dict[str, Any], put: Callable[[str], str]) -> str | bytes:
    """JSON as text, so that SQL can look inside; as bytes where lone surrogates rule text out."""
    text = _json(data)
    if len(text) > blobs.LONG or '"$' in text:
        text = _json(_replace(data, put))
    return text if _is_utf8(text) else blobs.to_bytes(text)


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
