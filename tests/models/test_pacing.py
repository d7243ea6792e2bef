"""How often a stream is read: at once at its beginning, then in steps, and never slower than it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from engine.models.pacing import AT_ONCE, EVERY_S, FULL, Pace, arrivals
from tests.support.openai_server import OpenAIServer, Reply, answer


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now, self.waits = 100.0, 0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1


async def reads(every_s: float, count: int, size: int = 200) -> tuple[Clock, int]:
    """A stream that brings `size` bytes every so many seconds, read until that has been `count` times; the
    clock, and how many reads it took.
    """
    clock = Clock()
    pace = Pace(clock.sleep, lambda: clock.now)
    began, read, taken = clock.now, 0, 0
    while taken < count:
        ready = min(count, int((clock.now - began) / every_s + 1e-6)) if every_s else count
        if ready == taken:  # the read itself waits for the next
            clock.now = began + (taken + 1) * every_s
            ready = taken + 1
        read, taken = read + 1, ready if every_s else taken + 1
        await pace.keep(size)
    return clock, read


async def test_a_long_stream_is_read_in_steps_and_ends_no_later_than_one_step() -> None:
    clock, read = await reads(0.01, 1000)
    assert clock.waits == read - AT_ONCE
    assert read <= AT_ONCE + 10.0 / EVERY_S
    assert 10.0 <= clock.now - 100.0 <= 10.0 + EVERY_S


async def test_nothing_else_is_held_back() -> None:
    short, _ = await reads(0.001, AT_ONCE)
    slow, _ = await reads(EVERY_S * 1.01, 300)
    backlog, _ = await reads(0.0, 1000, FULL)
    assert (short.waits, slow.waits, backlog.waits) == (0, 0, 0)


async def test_what_has_come_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's chunks are mostly of one token. Many that came together are one read, not one each."""
    clock = Clock()
    monkeypatch.setattr("engine.models.endpoint.Pace", lambda: Pace(clock.sleep, lambda: clock.now))
    text = "".join(f"t{n} " for n in range(10 * AT_ONCE))
    assert await streamed(answer(text, size=4)) == text
    assert clock.waits == 0


async def test_chunks_say_whether_the_stream_was_read_for_them() -> None:
    async def stream() -> AsyncGenerator[bytes]:
        for block in ([b"a"], [b"b", b"c", b"d"], [b"e", b"f"]):
            await asyncio.sleep(0)
            for chunk in block:
                yield chunk

    came: list[tuple[bytes, bool]] = []
    async for chunk, was_read in arrivals(stream()):
        came.append((chunk, was_read))
        if chunk in (b"a", b"c"):
            await asyncio.sleep(0)  # what its reader waits for is no read of it
    assert [chunk for chunk, _ in came] == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert [chunk for chunk, was_read in came if was_read] == [b"a", b"b", b"e"]


async def test_a_stream_in_steps_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece for every read, cut anywhere: the same text comes as without any pace."""
    monkeypatch.setattr("engine.models.pacing.AT_ONCE", 2)
    text = "".join(f"t{n} é😀" for n in range(300))
    assert await streamed(answer(text, size=7)) == text


async def streamed(reply: Reply) -> str:
    """The text of a completion that a server sends as `reply`."""
    from engine.config import Endpoint
    from engine.models.base import Completion, Sampling
    from engine.models.endpoint import EndpointModel

    async with OpenAIServer(lambda _: reply) as server:
        model = EndpointModel("local/m", "m", "local", Endpoint(base_url=server.url))
        items = [item async for item in model.stream([{"role": "user", "content": "a"}], Sampling())]
        await model.aclose()
    assert isinstance(items[-1], Completion)
    return items[-1].text
