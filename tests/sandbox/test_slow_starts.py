"""A runner that starts is waited for while it gets ahead, and no longer: CPU time decides, not the wall."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat

import pytest

from sandbox import channel as channels
from sandbox import starting
from sandbox.channel import Channel, State
from sandbox.guest import frames
from sandbox.types import SandboxError
from tests.sandbox.test_runner_protocol import _Runner


class Slow(_Runner):
    """Says that it is ready once it was looked at so many times; `used` are its CPU seconds at each look."""

    def __init__(self, used: Iterator[float | None], ready_at: int | None, status: str = "running") -> None:
        super().__init__([])
        self._used, self._ready_at, self._status = used, ready_at, status
        self.looks = 0

    async def write(self, data: bytes) -> None:
        """It has not come to reading yet."""

    def cpu_s(self, _: str) -> float | None:
        self.looks += 1
        if self.looks == self._ready_at:
            self._said.put_nowait(frames.pack({"t": "ready", "python": "3", "problem": None}))
        return next(self._used)

    async def state(self) -> State:
        return State(self._status)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Slow], Channel]:
    monkeypatch.setattr(starting, "STILL_S", 0.001)

    def channel(runner: Slow) -> Channel:
        monkeypatch.setattr(channels, "container_cpu_s", runner.cpu_s)
        return Channel(runner)

    return channel


async def test_a_runner_that_gets_ahead_is_waited_for(opened: Callable[[Slow], Channel]) -> None:
    ahead = Slow(count(0.0, 0.05), ready_at=20)  # 20 looks at 0.05 s each: little, but it is getting there
    assert (await opened(ahead).open({}))["python"] == "3"
    assert ahead.looks >= 20
    unknown = Slow(repeat(None), ready_at=20)
    assert (await opened(unknown).open({}))["python"] == "3"
    # It cannot be read at first: the container's control group is made while it starts.
    late = Slow(chain(repeat(None, 5), count(0.0, 0.05)), ready_at=20)
    assert (await opened(late).open({}))["python"] == "3"


@pytest.mark.parametrize(
    ("used", "status", "looks"),
    [
        (repeat(0.3), "running", 2),  # it waits for something that does not come
        (count(0.3, 0.001), "running", 2),  # and no more than ticks
        (repeat(0.0), "paused", 2),
        (count(0.0, starting.START_CPU_S / 4), "running", 6),  # it runs in circles
        (chain(repeat(None, 3), repeat(0.1)), "running", 5),
    ],
)
async def test_a_runner_that_does_not_is_lost(
    opened: Callable[[Slow], Channel], used: Iterator[float | None], status: str, looks: int
) -> None:
    runner = Slow(used, ready_at=None, status=status)
    with pytest.raises(SandboxError, match=f"did not start .* of CPU time .*{status}") as raised:
        await opened(runner).open({})
    assert raised.value.reason == "container-lost"
    assert runner.looks == looks


async def test_where_the_cpu_time_is_not_known_there_is_an_end(
    opened: Callable[[Slow], Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "START_WITHIN_S", 0.02)
    with pytest.raises(SandboxError, match=r"did not start in 0 s \(running\): is this machine overloaded"):
        await opened(Slow(repeat(None), ready_at=None)).open({})
