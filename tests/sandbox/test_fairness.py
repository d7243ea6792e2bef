"""Limits on a busy machine: time without a core is nobody's fault, and too little of one is no verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, Session
from sandbox.guest import fairness
from sandbox.guest.fairness import Shares
from sandbox.guest.request import Request
from tests.support.missing import open_or_skip

CORES = os.cpu_count() or 1
MODULES = {
    "load": """
import time

async def work(host, args):
    await host.call("started")
    while time.process_time() < args["cpu_s"]:
        pass

async def sleep(host, args):
    time.sleep(60)
"""
}


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    """One container, which has one core."""
    async with open_or_skip("docker", MODULES, size=1) as pool:
        yield pool


@contextlib.contextmanager
def _hogs(count: int) -> Iterator[None]:
    """`count` processes of this machine that never rest."""
    hogs = [subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


async def _call(pool: Pool, entry: str, wall_s: float, cpu_s: float = 0.0) -> Any:
    async with pool.session() as session:
        return await _call_in(session, entry, wall_s, cpu_s, asyncio.Event())


async def _call_in(session: Session, entry: str, wall_s: float, cpu_s: float, started: asyncio.Event) -> Any:
    async def on_call(method: str, arguments: dict[str, Any]) -> None:
        started.set()

    limits = Limits(wall_s=wall_s, cpu_s=5)
    return await session.call(f"load:{entry}", {"cpu_s": cpu_s}, callback=on_call, limits=limits)


@contextlib.asynccontextmanager
async def _crowd(pool: Pool, count: int) -> AsyncIterator[None]:
    """`count` sessions of the one container that never rest: so much is never left of its core."""
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(pool.session()) for _ in range(count)]
        started = [asyncio.Event() for _ in sessions]
        calls = [
            asyncio.ensure_future(_call_in(session, "work", 120, 100, event))
            for session, event in zip(sessions, started, strict=True)
        ]
        try:
            await asyncio.gather(*(event.wait() for event in started))
            yield
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def test_what_others_take_is_never_a_timeout(pool: Pool) -> None:
    with _hogs(4 * CORES):
        try:
            outcome = await _call(pool, "work", wall_s=0.8, cpu_s=0.25)  # it has about a fifth of a core
        except SandboxError as error:  # where the machine is busy, too, it may be less than enough
            assert error.reason == "busy", error
        else:
            assert outcome.status == "passed", outcome


async def test_too_little_of_a_core_is_no_verdict(pool: Pool) -> None:
    async with _crowd(pool, 11):
        with pytest.raises(SandboxError, match="the machine is too busy") as caught:
            await _call(pool, "work", wall_s=0.3, cpu_s=4)  # it has a twelfth of a core
    assert caught.value.reason == "busy"


async def test_waiting_by_choice_counts(pool: Pool) -> None:
    with _hogs(4 * CORES):
        outcome = await _call(pool, "sleep", wall_s=2.0)  # before it sleeps it may wait for a core
    assert outcome.status == "timeout-wall"


@pytest.mark.parametrize(
    ("used", "waited", "elapsed", "lost"),
    [
        (1.75, 23.0, 25.0, 23.0),
        (0.0, 0.0, 25.0, 0.0),  # it slept
        (25.0, 0.0, 25.0, 0.0),
        (10.0, 500.0, 25.0, 15.0),  # its own crowd waited, too
        (30.0, 500.0, 25.0, 0.0),  # more than one core all the time
        (5.0, 0.5, 25.0, 0.5),
    ],
)
def test_what_others_took(used: float, waited: float, elapsed: float, lost: float) -> None:
    assert Shares(used, waited, 1).lost(elapsed) == pytest.approx(lost)


class _Runner:
    """What a request without processes asks of its runner: nothing."""


class _Up:
    """A process that is set up and runs."""

    end, cpu_s, all_cpu_s = None, 0.0, 0.0

    def __init__(self, shares: Shares, up: bool) -> None:
        self.shares, self.up = shares, up

    def kill(self) -> None:
        """It cannot be ended."""


def _request(shares: Shares, *, up: bool = True) -> Any:
    limits = {"wall_s": 10.0, "cpu_s": 5.0, "output_kept": 10, "output_killed": 100}
    request: Any = Request(_Runner(), {"id": "1", "body": {}, "limits": limits})  # type: ignore[arg-type]
    request.processes = [_Up(shares, up)]
    request.output.close()
    return request


def _ends(request: Any, elapsed: float) -> tuple[str, str | None] | None:
    """Status and reason by which a look after so many seconds ends it, if it does."""
    request.check_limits(request.began + elapsed)
    return request.stopped and request.stopped[:2]


@pytest.mark.parametrize(
    ("elapsed", "shares", "ending"),
    [
        (10.0, Shares(0.1, 0.0, 1), ("timeout-wall", None)),
        (10.0, Shares(0.1, 6.0, 1), None),
        (16.0, Shares(0.1, 5.9, 1), ("timeout-wall", None)),
        (39.0, Shares(0.1, 38.0, 1), None),
        (40.0, Shares(0.1, 39.0, 1), ("infra", "busy")),
        (40.0, Shares(2.6, 39.0, 1), ("timeout-wall", None)),  # it had half of its CPU time
        (40.0, Shares(0.1, 900.0, 24), ("timeout-wall", None)),  # a crowd of its own making
        (40.0, Shares(30.1, 39.0, 1), ("timeout-wall", None)),  # it had more than its wall time
    ],
)
def test_wall_time_is_over_when_its_own_part_of_it_is(
    elapsed: float, shares: Shares, ending: tuple[str, str | None] | None
) -> None:
    request = _request(shares)
    assert _ends(request, elapsed) == ending
    if ending is None:
        assert request.deadline > request.began + elapsed


def test_a_wait_for_a_core_counts_before_it_is_over() -> None:
    """The kernel notes a wait when it ends: a process that is ready and gets nowhere is in one."""
    request = _request(Shares(0.1, 1.0, 1, ready=1, noted_ns=11))
    assert _ends(request, 12) is None  # it may be running: the next look tells
    assert _ends(request, 12.1) is None
    assert _ends(request, 40) == ("infra", "busy")


def test_who_runs_is_over_time_at_the_second_look() -> None:
    request = _request(Shares(11.0, 1.0, 1, ready=1, noted_ns=120))
    assert _ends(request, 12) is None
    request.processes[0].shares = Shares(11.02, 1.0, 1, ready=1, noted_ns=122)
    assert _ends(request, 12.1) == ("timeout-wall", None)


def test_a_wait_that_came_to_its_end_gives_more_time() -> None:
    request = _request(Shares(0.1, 1.0, 1, ready=1, noted_ns=11))
    assert _ends(request, 12) is None
    request.processes[0].shares = Shares(0.2, 11.5, 1, ready=1, noted_ns=117)
    assert _ends(request, 12.1) is None
    assert request.deadline == request.began + 10 + 11.5


def test_a_process_that_never_came_up_is_no_ones_timeout() -> None:
    request = _request(Shares(0.0, 0.0, 1), up=False)
    request.check_limits(request.began + 10)
    assert request.stopped[:2] == ("infra", "busy")


def test_this_process_has_shares_of_its_own() -> None:
    before = fairness.shares([os.getpid()], ())
    while fairness.shares([os.getpid()], ()).used < before.used + 0.02:
        pass
    assert fairness.shares([os.getpid()], ()).ready  # the one that asks
    assert fairness.shares([2**22 + 1], ()) == Shares(0.0, 0.0, 0)  # no such process
