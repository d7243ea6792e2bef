"""Frames: four bytes of length, big endian, then that many bytes of JSON."""

from __future__ import annotations

import json
import socket
from typing import Any

MAX_FRAME = 8 << 20
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class FrameError(ValueError):
    """Bytes that are not a frame: too long, not JSON, or not an object."""


def pack(message: dict[str, Any], max_frame: int = MAX_FRAME) -> bytes:
    """`message` as one frame.

    Raises:
        FrameError: it is longer than `max_frame` bytes.
    """
    body = _encode(message).encode("ascii")
    if len(body) > max_frame:
        raise FrameError(f"a frame of {len(body)} bytes is over the cap of {max_frame}")
    return len(body).to_bytes(4, "big") + body


def parse(body: bytes | bytearray) -> dict[str, Any]:
    """The message in a frame's body.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise FrameError("a frame that is not JSON") from None
    if not isinstance(message, dict):
        raise FrameError("a frame that is not an object")
    return message


class Splitter:
    """Cuts a stream of bytes into messages; holds at most one incomplete frame."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._max = max_frame

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that `data` completes.

        Raises:
            FrameError: a frame is too long or malformed; the stream is of no more use.
        """
        self._buffer += data
        messages: list[dict[str, Any]] = []
        start = 0
        while len(self._buffer) - start >= 4:
            size = int.from_bytes(self._buffer[start : start + 4], "big")
            if size > self._max:
                raise FrameError(f"a frame of {size} bytes is over the cap of {self._max}")
            if len(self._buffer) - start - 4 < size:
                break
            messages.append(parse(self._buffer[start + 4 : start + 4 + size]))
            start += 4 + size
        del self._buffer[:start]
        return messages


class Wire:
    """Frames over a blocking socket, one message at a time."""

    def __init__(self, sock: socket.socket, max_frame: int = MAX_FRAME) -> None:
        self.sock = sock
        self._max = max_frame

    def send(self, message: dict[str, Any]) -> None:
        self.sock.sendall(pack(message, self._max))

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            EOFError: the other end closed.
            FrameError: what came is not a frame.
        """
        size = int.from_bytes(self._exactly(4), "big")
        if size > self._max:
            raise FrameError(f"a frame of {size} bytes is over the cap of {self._max}")
        return parse(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = self.sock.recv(min(size, 1 << 20))
            if not part:
                raise EOFError("the other end closed")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
