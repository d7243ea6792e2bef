"""Sessions that share a container: many at once, and none within reach of another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError
from sandbox.hosts import SESSIONS_EACH
from sandbox.pool import PooledSession
from sandbox.types import Waiting
from tests.support.missing import open_or_skip

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits(cpu_s=5.0)
MODULES = {
    "acts": """
import os, signal, time

async def wait(host, args):
    with open("secret.txt", "w") as file:
        file.write("not for you")
    return await host.call("here", pid=os.getpid(), home=os.getcwd())

async def pry(host, args):
    got = []
    pid, home = args["pid"], args["home"]
    for what in (
        lambda: open(home + "/secret.txt").read(),
        lambda: os.listdir(home),
        lambda: open(home + "/planted", "w"),
        lambda: os.rename(home, "/tmp/gone"),
        lambda: os.kill(pid, signal.SIGKILL),
        lambda: open(f"/proc/{pid}/mem", "rb"),
        lambda: open(f"/proc/{pid}/environ", "rb").read(),
        lambda: os.listdir(f"/proc/{pid}/fd"),
        lambda: os.readlink(f"/proc/{pid}/cwd"),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
    ):
        try:
            got.append(repr(what()))
        except OSError:
            pass
    os.kill(-1, signal.SIGCONT)  # reaches our own processes only
    return got

async def kill_all(host, args):
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    os.kill(-1, signal.SIGKILL)

async def swarm(host, args):
    made = 0
    try:
        while made < 10_000:
            if os.fork() == 0:
                while True:
                    pass
            made += 1
    except OSError:
        pass
    return await host.call("here", pid=made, home="")

async def hog(host, args):
    held = []
    while True:
        held.append(bytearray(1 << 22))

async def echo(host, args):
    return args["n"]
"""
}


@pytest_asyncio.fixture(params=["docker", "bwrap"], scope="module", loop_scope="session")
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool that has one container for all sessions."""
    async with open_or_skip(request.param, MODULES, size=1) as pool:
        if not pool.hosts[0].backend.own_uids:
            pytest.skip("one uid for all: sessions are told apart by it")
        yield pool


class _Waiting:
    """A call that waits for the host, as a workflow does for a model."""

    def __init__(
        self, session: PooledSession, entry: str = "acts:wait", waiting: Waiting = contextlib.nullcontext
    ) -> None:
        self.here: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.go = asyncio.Event()
        self.call = asyncio.ensure_future(
            session.call(entry, {}, callback=self._answer, limits=LIMITS, waiting=waiting)
        )

    async def ready(self) -> dict[str, Any]:
        """What it said of itself, once it waits."""
        await asyncio.wait({self.here, self.call}, return_when=asyncio.FIRST_COMPLETED)
        assert self.here.done(), self.call.result()
        return self.here.result()

    async def _answer(self, method: str, arguments: dict[str, Any]) -> str:
        self.here.set_result(arguments)
        await self.go.wait()
        return "done"


async def _refuse(method: str, arguments: dict[str, Any]) -> None:
    raise AssertionError(method)


async def _two(pool: Pool, stack: contextlib.AsyncExitStack) -> tuple[PooledSession, PooledSession]:
    one = await stack.enter_async_context(pool.session())
    other = await stack.enter_async_context(pool.session())
    assert one.container_id == other.container_id
    return one, other


async def test_a_session_cannot_reach_another(pool: Pool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        one, other = await _two(pool, stack)
        waiting = _Waiting(one)
        found = await waiting.ready()
        pried = await other.call("acts:pry", found, callback=_refuse, limits=LIMITS)
        assert (pried.status, pried.value) == ("passed", [])
        killed = await other.call("acts:kill_all", {}, callback=_refuse, limits=LIMITS)
        assert killed.status == "passed"  # the kernel spares who calls
        waiting.go.set()
        outcome = await waiting.call
        assert (outcome.status, outcome.value) == ("passed", "done")


async def test_a_session_that_takes_all_it_can_leaves_the_other_enough(pool: Pool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        one, other = await _two(pool, stack)
        swarm = _Waiting(one, "acts:swarm")
        assert 0 < (await swarm.ready())["pid"] < 100
        outcome = await other.call("acts:echo", {"n": 7}, callback=_refuse, limits=LIMITS)
        assert (outcome.status, outcome.value) == ("passed", 7)
        swarm.call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await swarm.call


async def test_one_out_of_memory_is_alone_in_it(pool: Pool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        one, other = await _two(pool, stack)
        waiting = _Waiting(one)
        await waiting.ready()
        hogs = await asyncio.gather(
            *(other.call("acts:hog", {}, callback=_refuse, limits=LIMITS) for _ in range(2))
        )
        assert {outcome.status for outcome in hogs} == {"oom"}
        waiting.go.set()
        assert (await waiting.call).status == "passed"


async def test_a_call_too_many_waits_and_each_session_has_some_of_its_own(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many processes would take the container's memory, and the kernel end one of them."""
    monkeypatch.setattr("sandbox.crowd.CALLS", 4)
    monkeypatch.setattr("sandbox.crowd.OWN", 2)
    waits: list[str] = []

    @contextlib.contextmanager
    def waiting() -> Iterator[None]:
        waits.append("begins")
        yield
        waits.append("ends")

    async with contextlib.AsyncExitStack() as stack:
        one, other = await _two(pool, stack)
        first = [_Waiting(one) for _ in range(4)]
        await asyncio.gather(*(call.ready() for call in first))
        late = [_Waiting(one), _Waiting(one, waiting=waiting), _Waiting(one)]
        own = [_Waiting(other) for _ in range(2)]
        await asyncio.gather(*(call.ready() for call in own))
        assert not any(call.here.done() for call in late) and waits == ["begins"]
        late[0].call.cancel()  # whoever gives up waiting leaves no gap
        for call in [*own, first[0]]:
            call.go.set()
            await call.call
        await late[1].ready()  # now there are four again
        assert waits == ["begins", "ends"], "whoever called knows whose time that was"
        assert (await other.call("acts:echo", {"n": 7}, callback=_refuse, limits=LIMITS)).value == 7
        assert not late[2].here.done()
        for call in [*first[1:], *late[1:]]:
            call.go.set()
            assert (await call.call).status == "passed"
        with contextlib.suppress(asyncio.CancelledError):
            await late[0].call


async def test_a_lost_container_is_told_to_all_its_sessions(pool: Pool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        one, other = await _two(pool, stack)
        calls = [_Waiting(one), _Waiting(other)]
        for waiting in calls:
            await waiting.ready()
        await one._worker.channel.transport.kill()
        for waiting in calls:
            with pytest.raises(SandboxError) as caught:
                await waiting.call
            assert caught.value.reason == "container-lost"
        async with pool.session() as third:
            assert third.container_id != one.container_id
            outcome = await third.call("acts:echo", {"n": 1}, callback=_refuse, limits=LIMITS)
            assert outcome.value == 1


async def test_many_sessions_share_a_container_and_the_rest_wait(pool: Pool) -> None:
    assert pool.max_sessions == SESSIONS_EACH
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(pool.session()) for _ in range(pool.max_sessions)]
        assert len({session.container_id for session in sessions}) == 1
        late = asyncio.ensure_future(pool.session().__aenter__())
        calls = [_Waiting(session) for session in sessions]
        await asyncio.gather(*(waiting.ready() for waiting in calls))
        verdict = await pool.check("def f():\n    return 1\n", ["assert f() == 1"], entry_point="f")
        assert verdict.status == "passed"  # waiting sessions are in nobody's way
        assert not late.done()
        for waiting in calls:
            waiting.go.set()
        assert {(await waiting.call).status for waiting in calls} == {"passed"}
        late.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await late
