"""Any bytes in any pieces: frames, or a clean error."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.guest import frames

_heads = st.dictionaries(st.text(), st.integers() | st.text() | st.none())
_frames = st.lists(st.tuples(_heads, st.binary(max_size=50)), max_size=5)


def _all(splitter: frames.Splitter, data: bytes) -> list[frames.Frame]:
    splitter.feed(data)
    return list(iter(splitter.next, None))


def _framed(head: bytes, body: bytes = b"") -> bytes:
    return len(head).to_bytes(4, "big") + len(body).to_bytes(4, "big") + head + body


@given(_frames, st.lists(st.integers(1, 50), max_size=30))
def test_frames_survive_any_cutting(sent: list[tuple[dict[str, Any], bytes]], cuts: list[int]) -> None:
    stream = b"".join(frames.pack(head, body) for head, body in sent)
    splitter = frames.Splitter()
    received: list[frames.Frame] = []
    for cut in cuts:
        received += _all(splitter, stream[:cut])
        stream = stream[cut:]
    received += _all(splitter, stream)
    assert received == sent


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_incomplete(data: bytes) -> None:
    try:
        for frame in _all(frames.Splitter(frames.Caps(1000, 1000)), data):
            assert isinstance(frame.head, dict)
    except frames.FrameError:
        return


@pytest.mark.parametrize(
    "head", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"a":NaN}', b'{"a":-Infinity}']
)
def test_heads_that_are_no_message(head: bytes) -> None:
    with pytest.raises(frames.FrameError):
        _all(frames.Splitter(), _framed(head))


@pytest.mark.parametrize(("head", "body"), [(51, 0), (0, 31), (1 << 31, 1 << 31)])
def test_a_frame_over_the_caps_is_refused_before_it_is_there(head: int, body: int) -> None:
    with pytest.raises(frames.FrameError):
        _all(frames.Splitter(frames.Caps(50, 30)), head.to_bytes(4, "big") + body.to_bytes(4, "big"))


def test_caps_hold_for_the_sender_too() -> None:
    with pytest.raises(frames.FrameError):
        frames.pack({"text": "x" * 100}, caps=frames.Caps(50, 50))
    with pytest.raises(frames.FrameError):
        frames.pack({}, b"x" * 51, caps=frames.Caps(50, 50))


def test_wire_over_a_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        frames.Wire(left.fileno()).send({"a": [1, "é"]})
        assert frames.Wire(right.fileno()).receive() == {"a": [1, "é"]}
        left.close()
        with pytest.raises(EOFError):
            frames.Wire(right.fileno()).receive()


def test_a_body_where_none_is_expected_is_refused() -> None:
    left, right = socket.socketpair()
    with left, right:
        frames.Wire(left.fileno()).send({}, b"x")
        with pytest.raises(frames.FrameError):
            frames.Wire(right.fileno()).receive()
