"""Frames: four bytes of length, big endian, then that many bytes of JSON."""

from __future__ import annotations

import json
import os
from typing import Any

MAX_FRAME = 8 << 20
encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
# Not `json.loads`, which spends more on finding out the encoding than on a frame, in pages above all.
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


class FrameError(ValueError):
    """Bytes that are not a frame: too long, not JSON, or not an object."""


def pack(message: dict[str, Any], max_frame: int = MAX_FRAME) -> bytes:
    """`message` as one frame.

    Raises:
        FrameError: it is longer than `max_frame` bytes.
    """
    body = encode(message).encode("ascii")
    if len(body) > max_frame:
        raise FrameError(f"a frame of {len(body)} bytes is over the cap of {max_frame}")
    return len(body).to_bytes(4, "big") + body


def parse(body: bytes | bytearray) -> dict[str, Any]:
    """The message in a frame's body.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        text = body.decode("utf-8")
        message, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration):
        raise FrameError("a frame that is not JSON") from None
    if end != len(text):
        raise FrameError("a frame with something after its JSON")
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
    """Frames over a descriptor that blocks, one message at a time.

    By system calls alone: making a socket object of a descriptor costs a child 130 pages.
    """

    def __init__(self, fd: int, max_frame: int = MAX_FRAME) -> None:
        self.fd = fd
        self._max = max_frame

    def send(self, message: dict[str, Any]) -> None:
        """Raises OSError where the other end is gone, FrameError where the message is too long."""
        self.send_packed(pack(message, self._max))

    def send_packed(self, data: bytes) -> None:
        """Send what `pack` made. Raises OSError where the other end is gone."""
        sent = os.write(self.fd, data)
        while sent < len(data):
            sent += os.write(self.fd, memoryview(data)[sent:])

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
        data = os.read(self.fd, min(size, 1 << 20))
        if len(data) == size:
            return data
        parts = [data]
        while data and (size := size - len(data)):
            data = os.read(self.fd, min(size, 1 << 20))
            parts.append(data)
        if size:
            raise EOFError("the other end closed")
        return b"".join(parts)
