"""Frames as a hostile process would send them, and the two ends that receive them, without a container.

`Ends` is a request in the runner's own classes, joined to the host's channel: what the process sends goes
through both checks, to a callback of the host, as it would across a container's wall.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from sandbox.channel import Channel, State
from sandbox.guest import codec, frames, request
from sandbox.guest.process import Process

_PIECE = 1 << 16
SLOWEST_S = 0.02  # of the loop's time, for one frame
_LIMITS = {
    "wall_s": 60.0,
    "cpu_s": 60.0,
    "memory_mb": 64,
    "output_kept": 1000,
    "output_killed": 10_000,
    "result_bytes": 4 << 20,
}
_ENDINGS = ("passed", "failed", "oom")

_odd = st.sampled_from(
    [None, True, -1, 2**31, 2**63, 10**30, 0.5, 1e999, float("nan"), "", "x" * 70, "\ud800", [], {}, [[]]]
)
_op = st.sampled_from(["up", "callback", "value", "failed", "oom", "test", "end", "verdict", "reply", 7])
_field = st.sampled_from(["op", "call", "method", "reason", "message", "id", "args", "value", "t", "index"])
_good = st.one_of(
    st.builds(
        lambda call, method: {"op": "callback", "call": call, "method": method},
        st.integers(0, 40),
        st.sampled_from(["ask", "refused", ""]),
    ),
    st.just({"op": "up"}),
    st.just({"op": "value"}),
    st.builds(
        lambda op, reason: {"op": op, "reason": reason, "message": "m"},
        st.sampled_from(["failed", "oom"]),
        st.sampled_from(["exception", "load", "too-big", "not-plain-data", "infra"]),
    ),
)
_heads = st.one_of(
    _good,
    st.builds(lambda head, field, value: {**head, field: value}, _good, _field, _odd),
    st.dictionaries(_field, _odd | _op, max_size=5),
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | _odd,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*codec._READERS, "@", "?"]), inner, max_size=2)
        | inner.map(lambda value: {"d": [["key", value]]})
    ),
    max_leaves=15,
)


def told(tree: Any, *texts: bytes) -> bytes:
    """A body, right in its lengths and perhaps in nothing else."""
    pieces = [json.dumps(tree).encode("ascii"), *texts]
    return b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)


_arguments = st.builds(lambda tree, key: told({"d": [[key, tree]]}), trees, st.text(max_size=3))
_bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.builds(told, trees, st.binary(max_size=80)),
    trees.map(told),
    _arguments,
)


def _framed(head: bytes, body: bytes) -> bytes:
    return struct.pack(">II", len(head), len(body)) + head + body


def _packed(head: object, body: bytes = b"") -> bytes:
    return _framed(json.dumps(head).encode("ascii"), body)


def _calls(bodies: list[bytes], gap: int) -> list[bytes]:
    heads = [{"op": "callback", "call": gap * n, "method": "ask"} for n in range(len(bodies))]
    return [_packed({"op": "up"}), *map(_packed, heads, bodies)]


# What a process of ours sends, with arguments of whatever kind.
_well_behaved = st.builds(_calls, st.lists(_arguments, max_size=6), st.integers(1, 3))
_hostile = st.one_of(
    st.builds(_packed, _heads, _bodies),
    st.builds(_framed, st.binary(max_size=60), _bodies),
    st.binary(max_size=60),
    st.integers(1, 3000).map(lambda depth: _framed(b'{"op":' + b"[" * depth + b"]" * depth + b"}", b"")),
)
sequences = st.builds(lambda before, after: [*before, *after], _well_behaved, st.lists(_hostile, max_size=4))


class _Line:
    """A transport whose other end is `Ends`."""

    container_id = "none"

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.replies: list[frames.Frame] = []
        self.request: asyncio.Future[frames.Frame] = asyncio.get_running_loop().create_future()
        self._splitter = frames.Splitter()

    def arrive(self, data: bytes) -> None:
        self._arrived.put_nowait(data)

    async def read(self) -> bytes:
        return await self._arrived.get()

    async def write(self, data: bytes) -> None:
        self._splitter.feed(data)
        while frame := self._splitter.next():
            if frame.head["t"] == "run":
                self.request.set_result(frame)
            elif frame.head["t"] == "reply":
                self.replies.append(frame)

    async def state(self) -> State:
        return State("running")

    async def kill(self) -> None:
        """There is nothing to end."""


class Ends:
    """One request, from its process's socket to the host's callback."""

    def __init__(self) -> None:
        self.line = _Line()
        self.channel = Channel(self.line)
        self.called = 0

    def to_host(self, head: dict[str, Any], body: bytes = b"") -> None:
        self.line.arrive(frames.pack(head, body))

    def next_uid(self) -> int:
        return 1

    def sitting(self, limits: dict[str, Any]) -> None:
        """No checker stays here."""

    def adopt(self, request: request.Request, process: Process) -> None:
        """Nobody watches it."""

    def spawn(self, process: Process, fds: list[int]) -> None:
        """No process: the test writes what one would."""

    async def ending(self, sent: bytes) -> Mapping[str, Any]:
        """How a request ends whose process sends `sent` and then nothing more."""
        opening = asyncio.create_task(self.channel.open({}))
        self.to_host({"t": "ready", "python": "3", "problem": None})
        await opening
        asked = asyncio.create_task(self.channel.request({"kind": "call"}, _LIMITS, self._callback))
        running = request.Request(self, (await self.line.request).head)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            running.start()
            process = running.processes[0]
            process.sock.close()
            process.sock = ours
            ours.setblocking(False)
            left = memoryview(sent)
            while left and running.result is None and running.stopped is None:
                left = left[theirs.send(left[:_PIECE]) :]
                running.on_frames(process)
                await self._settle(running)
            running.stop(("failed", "no-verdict", "it ended without an answer"))
            report = {**running.report(), "clean": True}
            running.output.close()
            self.to_host(report, running.value if report["status"] == "passed" else b"")
            ended = await asyncio.wait_for(asked, 120)
            assert not self.channel.lost
            assert ended.head["status"] in _ENDINGS
        await self.channel.close()
        return ended.head

    async def _settle(self, running: request.Request) -> None:
        """Let the host answer what came, and hand it on."""
        for _ in range(20):
            await asyncio.sleep(0)
        replies, self.line.replies = self.line.replies, []
        for head, body in replies:
            running.on_reply(head, body)

    async def _callback(self, method: str, arguments: dict[str, Any]) -> Any:
        self.called += 1
        assert isinstance(arguments, dict) and all(isinstance(key, str) for key in arguments)
        return arguments


async def _ended(sent: bytes) -> int:
    ends = Ends()
    await ends.ending(sent)
    return ends.called


def run(sent: list[bytes]) -> tuple[float, int]:
    """Send frames. Returns the longest that one callback of the loop took, in seconds of this thread, and
    how many calls reached the host.

    Fails where anything but the request itself suffers.
    """
    longest = 0.0
    step = asyncio.events.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        before = time.thread_time()
        step(handle)
        longest = max(longest, time.thread_time() - before)

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    gc.disable()  # it would count the test's own garbage
    try:
        called = asyncio.run(_ended(b"".join(sent)))
    finally:
        gc.enable()
        asyncio.events.Handle._run = step  # type: ignore[method-assign]
    return longest, called
