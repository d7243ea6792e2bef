"""What a link and its channel say to each other: a line of JSON, and the bytes whose number it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, Protocol


class Reader(Protocol):
    """What `asyncio.StreamReader` has."""

    async def readline(self) -> bytes:
        """A line; without its end where the stream ends."""
        ...

    async def readexactly(self, n: int) -> bytes:
        """So many bytes. Raises EOFError where there are fewer."""
        ...


def framed(values: Mapping[str, Any], data: bytes = b"") -> bytes:
    """Values that JSON can hold, and bytes, as one message."""
    return json.dumps({**values, "size": len(data)}).encode() + b"\n" + data


async def next_frame(stream: Reader) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises EOFError at the end of the stream."""
    line = await stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    values = json.loads(line)
    return values, await stream.readexactly(values["size"])


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    values = json.loads(line)
    data = stream.read(values["size"])
    return (values, data) if len(data) == values["size"] else None
