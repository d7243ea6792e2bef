"""Frames: a head, which is a JSON object, and a body, bytes that only their last reader looks into.

    4 bytes: length of the head | 4 bytes: length of the body | head | body        (big endian)

What generated code made travels in bodies. Whoever passes a frame on never parses it, so nothing in it can
cost, confuse or break who stands between; `values` reads and writes them.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, NoReturn

MAX_FRAME = 8 << 20  # of a head, and of a body
_PREFIX = 8
_READ = 1 << 20
encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class FrameError(ValueError):
    """Bytes that are not a frame: too long, not JSON, or not an object."""


class Frame(NamedTuple):
    """One message."""

    head: dict[str, Any]
    body: bytes


class Caps(NamedTuple):
    """The most bytes that a frame's two parts may have on some line."""

    head: int = MAX_FRAME
    body: int = MAX_FRAME


ANY = Caps()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Not `json.loads`, which spends more on finding out the encoding than on a frame, in pages above all.
scan = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]


def pack(head: dict[str, Any], body: bytes = b"", caps: Caps = ANY) -> bytes:
    """A frame as bytes.

    Raises:
        FrameError: it is over the caps.
    """
    encoded = encode(head).encode("ascii")
    _check(len(encoded), len(body), caps)
    return len(encoded).to_bytes(4, "big") + len(body).to_bytes(4, "big") + encoded + body


def parse(head: bytes | bytearray) -> dict[str, Any]:
    """The message in a frame's head.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        text = head.decode("utf-8")
        message, end = scan(text, 0)
    except (ValueError, RecursionError, StopIteration):
        raise FrameError("a frame that is not JSON") from None
    if end != len(text):
        raise FrameError("a frame with something after its JSON")
    if not isinstance(message, dict):
        raise FrameError("a frame that is not an object")
    return message


def _check(head: int, body: int, caps: Caps) -> None:
    if head > caps.head or body > caps.body:
        raise FrameError(f"a frame of {head} + {body} bytes is over the cap of {caps.head} + {caps.body}")


def _sizes(prefix: bytes | bytearray, caps: Caps) -> tuple[int, int]:
    head, body = int.from_bytes(prefix[:4], "big"), int.from_bytes(prefix[4:_PREFIX], "big")
    _check(head, body, caps)
    return head, body


class Splitter:
    """Cuts a stream of bytes into frames, one at a time; what follows stays unread."""

    def __init__(self, caps: Caps = ANY) -> None:
        self._buffer = bytearray()
        self._caps = caps

    def feed(self, data: bytes) -> None:
        """Take more of the stream."""
        self._buffer += data

    def next(self) -> Frame | None:
        """The next whole frame; None until more of it was fed.

        Raises:
            FrameError: it is over the caps or malformed; the stream is of no more use.
        """
        buffer = self._buffer
        if len(buffer) < _PREFIX:
            return None
        head, body = _sizes(buffer[:_PREFIX], self._caps)
        middle = _PREFIX + head
        if len(buffer) < middle + body:
            return None
        frame = Frame(parse(buffer[_PREFIX:middle]), bytes(buffer[middle : middle + body]))
        del buffer[: middle + body]
        return frame


class Wire:
    """Frames over a descriptor that blocks, one message at a time.

    By system calls alone: making a socket object of a descriptor costs a child 130 pages.
    """

    def __init__(self, fd: int, caps: Caps = ANY) -> None:
        self.fd = fd
        self._caps = caps

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Raises OSError where the other end is gone, FrameError where the message is too long."""
        self.send_packed(pack(head, body, self._caps))

    def send_packed(self, data: bytes) -> None:
        """Send what `pack` made. Raises OSError where the other end is gone."""
        sent = os.write(self.fd, data)
        while sent < len(data):
            sent += os.write(self.fd, memoryview(data)[sent:])

    def receive(self) -> dict[str, Any]:
        """The head of the next message; for lines whose messages have no body.

        Raises:
            EOFError: the other end closed.
            FrameError: what came is not a frame.
        """
        head, body = _sizes(self._exactly(_PREFIX), self._caps)
        message = parse(self._exactly(head))
        if body:
            raise FrameError("a frame with a body, where none is expected")
        return message

    def _exactly(self, size: int) -> bytes:
        data = os.read(self.fd, min(size, _READ))
        if len(data) == size:
            return data
        parts = [data]
        while data and (size := size - len(data)):
            data = os.read(self.fd, min(size, _READ))
            parts.append(data)
        if size:
            raise EOFError("the other end closed")
        return b"".join(parts)
