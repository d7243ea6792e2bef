"""Streamed text as few rows: what came in one piece, of however many calls at once, is one row.

Its payload is `{"calls": [call ids], "deltas": [[call, channel, later, drift, text], …]}`. `call` is an
index, `later` the microseconds of `at` since the event before, and `drift` by how many more `mono` grew: next
to nothing, mostly. The first is counted from zero. Times that are no whole microseconds, as in older stores,
stand there themselves, as floats. Nothing is lost: the events come back equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.events import Event, ModelDelta

# A reader that wants one event of a row reads all of them.
MOST = 200
_US = 1_000_000


def joined(events: Iterable[Event]) -> Iterator[Sequence[Event]]:
    """The events of each row: streamed text that follows itself within its run together, all else alone.

    Each run's events stay in order; the rows of different runs need not.
    """
    growing: dict[str, list[ModelDelta]] = {}
    for event in events:
        part = growing.get(event.run_id)
        if part and not _follows(part, event):
            yield growing.pop(event.run_id)
        if isinstance(event, ModelDelta):
            growing.setdefault(event.run_id, []).append(event)
        else:
            yield [event]
    yield from growing.values()


def _follows(part: Sequence[ModelDelta], event: Event) -> bool:
    """Whether the event can be in one row with `part`."""
    return isinstance(event, ModelDelta) and event.seq == part[-1].seq + 1 and len(part) < MOST


def _is_whole(seconds: float) -> bool:
    """Whether the time has whole microseconds, as the engine's have, so that it comes back equal."""
    return abs(seconds) < 1e10 and round(seconds * _US) / _US == seconds


def to_json(deltas: Sequence[Event]) -> dict[str, Any]:
    """The payload of a row of several."""
    calls: dict[str, int] = {}
    rows: list[list[Any]] = []
    at = mono = 0
    for delta in deltas:
        assert isinstance(delta, ModelDelta)
        call = calls.setdefault(delta.call_id, len(calls))
        if _is_whole(delta.at) and _is_whole(delta.mono):
            later, further = round(delta.at * _US) - at, round(delta.mono * _US) - mono
            at, mono = at + later, mono + further
            rows.append([call, delta.channel, later, further - later, delta.text])
        else:
            rows.append([call, delta.channel, float(delta.at), float(delta.mono), delta.text])
    return {"calls": list(calls), "deltas": rows}


def is_joined(payload: dict[str, Any]) -> bool:
    """Whether the payload is of several."""
    return "deltas" in payload


def from_json(run_id: str, seq: int, payload: dict[str, Any]) -> list[ModelDelta]:
    """The events of a row. Raises ValueError, TypeError or LookupError where the payload is damaged."""
    calls = payload["calls"]
    deltas: list[ModelDelta] = []
    at = mono = 0
    for call, channel, later, drift, text in payload["deltas"]:
        is_whole = isinstance(later, int)
        if is_whole:
            at, mono = at + later, mono + later + drift
        deltas.append(
            ModelDelta(
                run_id=run_id,
                seq=seq + len(deltas),
                at=at / _US if is_whole else later,
                mono=mono / _US if is_whole else drift,
                call_id=calls[call],
                channel=channel,
                text=text,
            )
        )
    return deltas
