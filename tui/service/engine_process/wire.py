"""What goes over a socket: one JSON object a line, a request and its answer, or a stream of events.

→ {"do": "pause", "run": "01j…"}          ← {"ok": {…}}  or  {"error": "one sentence"}
→ {"do": "attach", "run": "01j…"}         ← {"event": {…}} …  then  {"end": true}
→ {"do": "attach", "experiment": "e"}     ← {"standing": {…}} …  then  {"end": true}
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.problems import ProblemError, parse_problem
from tui.ports import ForkRequest, RunRequest

if TYPE_CHECKING:
    from tui.service.experiments.prepare import BenchRequest

# A request carries at most an edited value, an event at most a step's texts: both may be large.
MAX_LINE = 256 * 1024 * 1024


class WireError(Exception):
    """The other side sent what is no message."""


async def receive(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, None at the end. Raises WireError."""
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
    """Send, waiting while the other side is slow. Raises ConnectionError when it is gone."""
    writer.write(json.dumps(message, ensure_ascii=True).encode() + b"\n")
    await writer.drain()


def request_to_json(request: RunRequest) -> dict[str, Any]:
    """A run request as JSON-ready data."""
    values = {f.name: getattr(request, f.name) for f in fields(request)}
    fork = None if request.fork is None else asdict(request.fork)
    return {**values, "problem": request.problem.to_json(), "fork": fork}


def request_from_json(data: object) -> RunRequest:
    """The request that `request_to_json` wrote. Raises WireError."""
    if not isinstance(data, dict):
        raise WireError("a run request is a JSON object")
    names = {f.name for f in fields(RunRequest)}
    if unknown := set(data) - names:
        raise WireError(f"a run request has no {sorted(unknown)[0]!r}: is the other side another version?")
    problem, breakpoints = data.get("problem"), tuple(map(str, data.get("breakpoints", ())))
    try:
        values = {**data, "problem": parse_problem(problem, "request"), "breakpoints": breakpoints}
        if (fork := data.get("fork")) is not None:
            workflow = fork.get("workflow")
            fork["workflow"] = None if workflow is None else tuple(workflow)
            values["fork"] = ForkRequest(**fork)
        return RunRequest(**values)
    except (ProblemError, TypeError, AttributeError) as error:
        raise WireError(str(error)) from None


def bench_to_json(request: BenchRequest) -> dict[str, Any]:
    """A request for an experiment as JSON-ready data."""
    values = {f.name: getattr(request, f.name) for f in fields(request)}
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


def bench_from_json(data: object) -> BenchRequest:
    """The request that `bench_to_json` wrote. Raises WireError."""
    from pydantic import TypeAdapter, ValidationError

    from tui.service.experiments.prepare import BenchRequest

    if not isinstance(data, dict):
        raise WireError("a request for an experiment is a JSON object")
    if unknown := set(data) - {f.name for f in fields(BenchRequest)}:
        raise WireError(
            f"a request for an experiment has no {sorted(unknown)[0]!r}: is the other side another version?"
        )
    try:
        return TypeAdapter(BenchRequest).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise WireError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
