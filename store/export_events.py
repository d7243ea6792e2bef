"""The events of runs as they leave: in order, redacted, a few in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.events import Event, ModelDelta, from_json, to_json
from store.reader import Reader
from store.redaction import Redactor

_Stream = tuple[str, str]  # call id and channel


def redacted_events(reader: Reader, run_id: str, redactor: Redactor) -> Iterator[dict[str, Any]]:
    """The run's events as JSON-ready data (`engine.events.to_json`) without what must not leave.

    Streamed text comes in pieces, and a key may be cut in two by them. Where a whole streamed text would
    lose something that its pieces do not show, its first piece becomes the whole and the others are empty.
    """
    yield from redact(reader.events(run_id), redactor, _split_secrets(reader, run_id, redactor))


def redact(
    events: Iterator[Event], redactor: Redactor, streams: dict[_Stream, str]
) -> Iterator[dict[str, Any]]:
    """`events` as redacted data; `streams` are the streamed texts to give whole."""
    for event in events:
        data = to_json(event)
        if isinstance(event, ModelDelta) and (stream := (event.call_id, event.channel)) in streams:
            data["text"] = streams[stream]
            streams[stream] = ""
            yield data
            continue
        kind = data.pop("kind")
        yield {"kind": kind, **redactor.data(data)}


def as_events(datas: Iterator[dict[str, Any]]) -> Iterator[Event]:
    """Redacted data as events again."""
    return map(from_json, datas)


def _split_secrets(reader: Reader, run_id: str, redactor: Redactor) -> dict[_Stream, str]:
    """The redacted texts of the streams in which a piece alone does not show what must go."""
    whole: dict[_Stream, str] = {}
    pieces: dict[_Stream, list[str]] = {}
    for event in reader.events(run_id, kinds=(ModelDelta.kind, "model_call_finished")):
        if isinstance(event, ModelDelta):
            pieces.setdefault((event.call_id, event.channel), []).append(event.text)
            continue
        for channel in ("reasoning", "text"):
            _check(whole, pieces, (getattr(event, "call_id", ""), channel), redactor)
    for stream in list(pieces):
        _check(whole, pieces, stream, redactor)
    return whole


def _check(
    whole: dict[_Stream, str], pieces: dict[_Stream, list[str]], stream: _Stream, redactor: Redactor
) -> None:
    texts = pieces.pop(stream, [])
    redacted = redactor.text("".join(texts))
    if redacted != "".join(map(redactor.text, texts)):
        whole[stream] = redacted
