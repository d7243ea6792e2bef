"""With an attacker in the container, its neighbours' calls all succeed, and the host's loop goes on.

Six calls beside each attack, on one backend, by default; FLOWREASONER_LONG=1 makes it a hundred, on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError
from sandbox.session import PooledSession
from sandbox.types import Outcome
from tests.sandbox.attacks import ATTACKS, module
from tests.support.missing import open_or_skip

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

CALLS = 100 if os.environ.get("FLOWREASONER_LONG") else 6
AT_ONCE = 8
LIMITS = Limits(cpu_s=10.0, wall_s=120.0)


@pytest_asyncio.fixture(params=["docker", "bwrap"], scope="module", loop_scope="session")
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool that has one container for all sessions."""
    async with open_or_skip(request.param, {"attacks": module()}, size=1) as pool:
        if not pool.hosts[0].backend.own_uids:
            pytest.skip("one uid for all: sessions have a container each")
        yield pool


async def _host(method: str, arguments: dict[str, Any]) -> Any:
    assert method != "late", "a call that came after the answer was admitted"
    if method == "wait":
        await asyncio.Event().wait()
    return "x" * (1 << 20) if method == "large" else 1


async def _served(pool: Pool, session: PooledSession, number: int) -> Outcome:
    """A victim's call; made again elsewhere, as the engine does, where others took the container's memory."""

    async def ask(place: PooledSession) -> Outcome:
        return await place.call("attacks:victim", {"n": number}, callback=_host, limits=LIMITS)

    try:
        return await ask(session)
    except SandboxError as error:
        if not error.out_of_memory:
            raise
        async with pool.session() as elsewhere:
            return await ask(elsewhere)


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_neighbours_of_an_attacker_are_served(pool: Pool, name: str) -> None:
    entry = f"attacks:attack{list(ATTACKS).index(name)}"
    async with contextlib.AsyncExitStack() as stack:
        attacker = await stack.enter_async_context(pool.session())
        victims = [await stack.enter_async_context(pool.session()) for _ in range(3)]
        assert {victim.container_id for victim in victims} == {attacker.container_id}
        attack = asyncio.ensure_future(attacker.call(entry, {}, callback=_host, limits=LIMITS))
        turns = asyncio.Semaphore(AT_ONCE)

        async def suffer(number: int) -> Outcome:
            async with turns:
                return await _served(pool, victims[number % len(victims)], number)

        outcomes = await asyncio.gather(*(suffer(number) for number in range(CALLS)))
        wrong = [outcome for outcome in outcomes if outcome.status != "passed"]
        assert not wrong, (len(wrong), wrong[0])
        assert [outcome.value for outcome in outcomes] == [[n + 1, 100_000, 4 << 20] for n in range(CALLS)]
        if attack.done():  # it may have been ended, as its own failure
            ended = attack.result()
            assert ended.status in ("passed", "failed", "oom", "output-limit"), ended
            assert not ended.message.startswith("AssertionError"), ended
        attack.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attack
