"""Any bytes in any pieces: messages, or a clean error."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.guest import frames

_messages = st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), max_size=5)


@given(_messages, st.lists(st.integers(1, 50), max_size=30))
def test_messages_survive_any_cutting(messages: list[dict[str, Any]], cuts: list[int]) -> None:
    stream = b"".join(frames.pack(message) for message in messages)
    splitter = frames.Splitter()
    received: list[dict[str, Any]] = []
    for cut in cuts:
        received += splitter.feed(stream[:cut])
        stream = stream[cut:]
    received += splitter.feed(stream)
    assert received == messages


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_incomplete(data: bytes) -> None:
    splitter = frames.Splitter(max_frame=1000)
    try:
        for message in splitter.feed(data):
            assert isinstance(message, dict)
    except frames.FrameError:
        return


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_bodies_that_are_no_message(body: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.Splitter().feed(len(body).to_bytes(4, "big") + body)


def test_caps_hold_on_both_ends() -> None:
    with pytest.raises(frames.FrameError):
        frames.pack({"text": "x" * 100}, max_frame=50)
    with pytest.raises(frames.FrameError):
        frames.Splitter(max_frame=50).feed((51).to_bytes(4, "big"))


def test_wire_over_a_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        frames.Wire(left.fileno()).send({"a": [1, "é"]})
        assert frames.Wire(right.fileno()).receive() == {"a": [1, "é"]}
        left.close()
        with pytest.raises(EOFError):
            frames.Wire(right.fileno()).receive()
