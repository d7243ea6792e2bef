"""Limits on a busy machine: time without a core is nobody's fault, and too little of one is no verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, open_sandbox
from sandbox.guest import fairness
from sandbox.guest.fairness import Shares
from sandbox.guest.request import Request
from tests.sandbox.helpers import refuse
from tests.support.missing import skip_where_missing

MODULES = {
    "load": """
import os, time

async def hog(host, args):
    for _ in range(args["count"]):
        if os.fork() == 0:
            while True:
                pass
    await host.call("hogging")

async def work(host, args):
    while time.process_time() < args["cpu_s"]:
        pass

async def sleep(host, args):
    time.sleep(60)
"""
}


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    """One container, which has one core."""
    try:
        context = open_sandbox("docker", MODULES, size=1, build=True)
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    yield pool
    await context.__aexit__(None, None, None)


@contextlib.asynccontextmanager
async def _hogs(pool: Pool, count: int) -> AsyncIterator[None]:
    """`count` processes of another session that take the container's core."""
    hogging, enough = asyncio.Event(), asyncio.Event()

    async def callback(method: str, arguments: dict[str, Any]) -> None:
        hogging.set()
        await enough.wait()

    async with pool.session() as session:
        call = session.call("load:hog", {"count": count}, callback=callback, limits=Limits(wall_s=60))
        running = asyncio.ensure_future(call)
        await hogging.wait()
        try:
            yield
        finally:
            enough.set()
            await running


async def _call(pool: Pool, entry: str, wall_s: float, cpu_s: float = 0.0) -> Any:
    async with pool.session() as session:
        limits = Limits(wall_s=wall_s, cpu_s=5)
        return await session.call(f"load:{entry}", {"cpu_s": cpu_s}, callback=refuse, limits=limits)


async def test_what_neighbours_take_is_never_a_timeout(pool: Pool) -> None:
    async with _hogs(pool, 4):
        try:
            outcome = await _call(pool, "work", wall_s=0.8, cpu_s=0.25)  # it has a fifth of the core
        except SandboxError as error:  # where the machine is busy, too, it may be less than enough
            assert error.reason == "busy", error
        else:
            assert outcome.status == "passed", outcome
            assert outcome.usage.wall_ms > 800


async def test_too_little_of_a_core_is_no_verdict(pool: Pool) -> None:
    async with _hogs(pool, 8):
        with pytest.raises(SandboxError, match="too busy for a verdict") as caught:
            await _call(pool, "work", wall_s=0.3, cpu_s=4)
    assert caught.value.reason == "busy"


async def test_waiting_by_choice_counts(pool: Pool) -> None:
    async with _hogs(pool, 8):
        outcome = await _call(pool, "sleep", wall_s=0.5)
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
    assert Shares(used, waited).lost(elapsed) == pytest.approx(lost)


class _Runner:
    """What a request without processes asks of its runner: nothing."""


class _Up:
    """A process that is set up and runs."""

    pid, uid, end, up = 0, 0, None, True
    cpu_s, sock = 0.0, None

    def kill(self) -> None:
        """It cannot be ended."""


def _request(monkeypatch: pytest.MonkeyPatch, shares: Shares, *, up: bool = True) -> Any:
    monkeypatch.setattr(fairness, "shares", lambda pids, uids: shares)
    limits = {"wall_s": 10.0, "cpu_s": 5.0, "output_kept": 10, "output_killed": 100}
    request: Any = Request(_Runner(), {"id": "1", "body": {}, "limits": limits})  # type: ignore[arg-type]
    process = _Up()
    process.up = up
    request.processes = [process]
    request.output.close()
    return request


@pytest.mark.parametrize(
    ("elapsed", "shares", "ending"),
    [
        (10.0, Shares(0.1, 0.0), ("timeout-wall", None)),
        (10.0, Shares(0.1, 6.0), None),
        (16.0, Shares(0.1, 5.9), ("timeout-wall", None)),
        (39.0, Shares(0.1, 38.0), None),
        (40.0, Shares(0.1, 39.0), ("infra", "busy")),
        (40.0, Shares(2.6, 39.0), ("timeout-wall", None)),  # it had half of its CPU time
        (40.0, Shares(30.1, 39.0), ("timeout-wall", None)),  # it had more than its wall time
    ],
)
def test_wall_time_is_over_when_its_own_part_of_it_is(
    monkeypatch: pytest.MonkeyPatch, elapsed: float, shares: Shares, ending: tuple[str, str | None] | None
) -> None:
    request = _request(monkeypatch, shares)
    wait = request.check_limits(request.began + elapsed)
    assert (request.stopped and request.stopped[:2]) == ending
    if ending is None:
        assert wait > 0


def test_a_process_that_never_came_up_is_no_ones_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    request = _request(monkeypatch, Shares(0.0, 0.0), up=False)
    request.check_limits(request.began + 10)
    assert request.stopped[:2] == ("infra", "busy")


def test_this_process_has_shares_of_its_own() -> None:
    before = fairness.shares([os.getpid()], ())
    while fairness.shares([os.getpid()], ()).used < before.used + 0.02:
        pass
    assert fairness.shares([2**22 + 1], ()) == Shares(0.0, 0.0)  # no such process
