"""What goes over a socket: one JSON object per line, a request and its answer, or how far a run is.

Events do not: a follower is told how many are stored, and reads the store like everybody else.

→ {"do": "pause", "run": "01j…"}          ← {"ok": {…}}  or  {"error": "one sentence"}
→ {"do": "attach", "run": "01j…"}         ← {"stored": 41} …  then  {"end": true}
→ {"do": "attach", "experiment": "e"}     ← {"standing": {…}} …  then  {"end": true}
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from engine.json_objects import read_object
from engine.problems import ProblemError, parse_problem
from tui.service.requests import (
    ExperimentRequest,
    NewExperiment,
    NewFork,
    NewGrid,
    NewRun,
    Placement,
    Rerun,
    Resume,
    RunRequest,
    TryFlips,
)

_Kind = TypeVar("_Kind")

# In bytes. The longest messages carry values that somebody inspects or edits: they come from a sandbox in a
# frame of at most 8 MB, which is up to six times as long as JSON.
MAX_LINE = 64 * 1024 * 1024


class WireError(Exception):
    """The other side sent something that is not a message."""


async def receive(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, None at the end. Raises WireError where a line is too long or not a JSON object."""
    try:
        line = await reader.readline()
    except (ValueError, ConnectionError) as error:
        raise WireError(f"unreadable message: {error}") from None
    if not line.endswith(b"\n"):
        return None  # the other side is gone, perhaps in the middle of a line
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("a message is not a JSON object")
    return message


async def send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Send one message, waiting while the other side is slow. Raises ConnectionError where it is gone."""
    writer.write(json.dumps(message, ensure_ascii=True).encode() + b"\n")
    await writer.drain()


def request_to_json(request: RunRequest) -> dict[str, Any]:
    """A request for a run as JSON-ready data; `kind` says which."""
    data = _to_json(request)
    return data | {"problem": request.problem.to_json()} if isinstance(request, NewRun) else data


def request_from_json(data: object) -> RunRequest:
    """The request that `request_to_json` wrote. Raises WireError where `data` is not one."""
    values = _object(data, "run")
    if values.get("kind") == NewRun.__name__:
        try:
            values["problem"] = parse_problem(values.get("problem"), "request")
        except ProblemError as error:
            raise WireError(str(error)) from None
    return _from_json(values, "run", (NewRun, NewFork, Rerun, NewGrid))


def experiment_to_json(request: ExperimentRequest, placement: Placement) -> dict[str, Any]:
    """A request for an experiment, and where it is to be carried out, as JSON-ready data."""
    return {**_to_json(request), "placement": _to_json(placement)}


def experiment_from_json(data: object) -> tuple[ExperimentRequest, Placement]:
    """The request and the placement that `experiment_to_json` wrote. Raises WireError where they are not."""
    values = _object(data, "experiment")
    placement = _object(values.pop("placement", None), "placement")
    return (
        _from_json(values, "experiment", (NewExperiment, Resume, TryFlips)),
        _from_json(placement, "placement", (Placement,)),
    )


def _to_json(request: Any) -> dict[str, Any]:
    values = {f.name: getattr(request, f.name) for f in fields(request)}
    data = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    return {"kind": type(request).__name__, **data}


def _object(data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise WireError(f"a request for a {what} is a JSON object")
    return dict(data)


def _from_json(data: dict[str, Any], what: str, kinds: tuple[type[_Kind], ...]) -> _Kind:
    """The one of `kinds` that `data` names, its fields checked. Raises WireError."""
    kind_name = data.pop("kind", None)
    kind = next((kind for kind in kinds if kind.__name__ == kind_name), None)
    if kind is None:
        raise WireError(f"there is no {what} of kind {kind_name!r}: is the other side another version?")
    return read_object(kind, data, f"the request ({kind_name})", WireError)
