"""The events of runs as they are exported: in order, redacted, a few in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.event_json import to_json
from engine.events import Event, ModelDelta
from store.db import open_reader
from store.errors import StoreError, explained
from store.exports.redaction import Redactor
from store.reader import Reader

_Stream = tuple[str, str]  # call id and channel


def redacted_events(
    reader: Reader, run_id: str, redactor: Redactor, kinds: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """The run's events as JSON-ready data (`engine.event_json.to_json`), redacted; with `kinds`, only those.

    Streamed text comes in pieces, and a key may be cut in two by them. Where redacting the whole text takes
    out something that redacting the pieces does not, its first piece becomes the whole and the others are
    empty. Raises StoreError where the run cannot be read.
    """
    streams = _split_secrets(reader, run_id, redactor) if not kinds or ModelDelta.kind in kinds else {}
    yield from redact(reader.events(run_id, kinds=kinds), redactor, streams)


def redact(
    events: Iterator[Event], redactor: Redactor, streams: dict[_Stream, str]
) -> Iterator[dict[str, Any]]:
    """`events` as redacted data.

    `streams` are the streamed texts to give whole; each is emptied as it is given.
    """
    for event in events:
        data = to_json(event)
        if isinstance(event, ModelDelta) and (stream := (event.call_id, event.channel)) in streams:
            data["text"] = streams[stream]
            streams[stream] = ""
            yield data
            continue
        kind = data.pop("kind")
        yield {"kind": kind, **redactor.data(data)}


def _split_secrets(reader: Reader, run_id: str, redactor: Redactor) -> dict[_Stream, str]:
    """The redacted texts of the streams in which a piece alone does not show what must go."""
    whole_texts: dict[_Stream, str] = {}
    pieces: dict[_Stream, list[str]] = {}
    for event in reader.events(run_id, kinds=(ModelDelta.kind, "model_call_finished")):
        if isinstance(event, ModelDelta):
            pieces.setdefault((event.call_id, event.channel), []).append(event.text)
            continue
        for channel in ("reasoning", "text"):
            _check(whole_texts, pieces, (getattr(event, "call_id", ""), channel), redactor)
    for stream in list(pieces):
        _check(whole_texts, pieces, stream, redactor)
    return whole_texts


def _check(
    whole_texts: dict[_Stream, str], pieces: dict[_Stream, list[str]], stream: _Stream, redactor: Redactor
) -> None:
    texts = pieces.pop(stream, [])
    redacted = redactor.text("".join(texts))
    if redacted != "".join(map(redactor.text, texts)):
        whole_texts[stream] = redacted


def runs_in_set(path: Path, name: str) -> list[str]:
    """Ids of the runs in the training set `name`, oldest first. Raises StoreError where there are none."""
    query = (
        "SELECT a.run_id FROM annotations a JOIN runs r ON r.id = a.run_id"
        " WHERE a.kind = 'training-set' AND a.value = ? ORDER BY r.started_at, r.id"
    )
    db = open_reader(path)
    try:
        with explained(path):
            ids = [run_id for (run_id,) in db.execute(query, (name,))] if db else []
    finally:
        if db is not None:
            db.close()
    if not ids:
        raise StoreError(f"No run is in a training set {name!r} in the store {path}.")
    return ids
