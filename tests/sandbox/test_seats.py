"""A seat of a container is whole for whoever has it next, however soon that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool
from tests.support.missing import open_or_skip

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODULES = {
    "seats": """
import os, time

async def fill(host, args):
    with open("most", "wb") as file:
        file.write(bytes(6 << 20))
    for _ in range(40):  # ended before the file is removed: that takes longer than the next call's start
        if os.fork() == 0:
            kept = b"x" * (2 << 20)
            time.sleep(60)
    return os.path.dirname(os.getcwd())

async def stay(host, args):
    await host.call("here")
"""
}
LIMITS = Limits(cpu_s=5.0, wall_s=600.0)


@pytest_asyncio.fixture(params=["docker", "bwrap"], scope="module", loop_scope="session")
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool that has one container for all sessions."""
    async with open_or_skip(request.param, MODULES, size=1) as pool:
        if not pool.hosts[0].backend.own_uids:
            pytest.skip("one uid for all: sessions have a container each")
        yield pool


async def _quiet(method: str, arguments: dict[str, Any]) -> None:
    raise AssertionError("nothing is asked")


async def _never(method: str, arguments: dict[str, Any]) -> None:
    await asyncio.Event().wait()


async def test_the_next_session_finds_its_seat_empty(pool: Pool) -> None:
    seats = set()
    for _ in range(6):
        async with pool.session() as session:
            outcome = await session.call("seats:fill", {}, callback=_quiet, limits=LIMITS)
        assert outcome.status == "passed", outcome
        seats.add(outcome.value)
    assert len(seats) == 1  # or nothing was tried


async def test_the_next_call_of_a_session_finds_its_seat_empty(pool: Pool) -> None:
    async with pool.session() as session:
        for _ in range(4):
            outcome = await session.call("seats:fill", {}, callback=_quiet, limits=LIMITS)
            assert outcome.status == "passed", outcome


async def test_a_call_that_is_cancelled_while_it_waits_never_starts(pool: Pool) -> None:
    async with pool.session() as session:
        assert (await session.call("seats:fill", {}, callback=_quiet, limits=LIMITS)).status == "passed"
        waiting = asyncio.create_task(session.call("seats:stay", {}, callback=_never, limits=LIMITS))
        await asyncio.sleep(0)  # it is sent, and has to wait for the space
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(300.0):  # half of what it would stay for
            while await session.probe() is not None:
                continue
