"""Several Docker hosts behind one pool: shared work, and the loss of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, open_sandbox, reaper
from sandbox.hosts import SandboxHost
from tests.sandbox.daemon import MAIN_HOST, Daemon
from tests.sandbox.helpers import at_work, until
from tests.support.missing import skip_where_missing

SLOW = "import time\ntime.sleep(0.4)\ndef f():\n    return 1"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    why = Daemon.missing()
    if why is not None:
        pytest.skip(why)
    second = Daemon()
    try:
        second.start()
        yield second
    finally:
        second.remove()


@pytest_asyncio.fixture
async def pool(daemon: Daemon) -> AsyncIterator[Pool]:
    """Two hosts, two containers each; the image is copied to the second one."""
    try:
        context = open_sandbox("docker", hosts=[MAIN_HOST, daemon.host], size=2, build=True)
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    yield pool
    await context.__aexit__(None, None, None)


def _served(host: SandboxHost) -> int:
    return sum(worker.requests for worker in host._all)


async def _run(pool: Pool, count: int) -> list[object]:
    limits = Limits(wall_s=30)
    outcomes = await asyncio.gather(*(pool.run_program(SLOW, entry="f", limits=limits) for _ in range(count)))
    return [outcome.value for outcome in outcomes]


async def test_work_goes_to_the_least_loaded_host(pool: Pool) -> None:
    assert (len(pool.hosts), pool.size) == (2, 4)
    assert "2 Docker hosts" in pool.description
    assert await _run(pool, 8) == [1] * 8
    assert all(_served(host) >= 2 for host in pool.hosts)
    async with pool.session(), pool.session():
        assert [host.busy for host in pool.hosts] == [1, 1]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_host_lost_mid_run_costs_no_verdict(pool: Pool, daemon: Daemon, how: str) -> None:
    running = asyncio.ensure_future(_run(pool, 12))
    await until(lambda: at_work(pool.hosts[1]))
    await asyncio.to_thread(getattr(daemon, how))
    try:
        assert await running == [1] * 12
        assert await _run(pool, 4) == [1] * 4
    finally:
        await asyncio.to_thread(daemon.start)

    async def rebuilt() -> bool:
        return not pool.hosts[1].down and any(worker.reusable for worker in pool.hosts[1].idle)

    await until(rebuilt)
    assert await _run(pool, 8) == [1] * 8


async def test_closing_leaves_nothing_on_any_host(pool: Pool, daemon: Daemon) -> None:
    await pool.__aexit__()
    assert not [c for c in reaper.containers(daemon.client()) if c.state != "created"]


async def test_a_host_that_does_not_answer_is_left_out(daemon: Daemon) -> None:
    said: list[str] = []
    hosts = ["unix:///nonexistent/docker.sock", daemon.host]
    try:
        async with open_sandbox("docker", hosts=hosts, size=1, progress=said.append) as pool:
            assert len(pool.hosts) == 1
    except SandboxError as error:
        skip_where_missing(error)
    assert any("is left out" in line for line in said)


async def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(SandboxError, match="no Docker host can be used"):
        async with open_sandbox("docker", hosts=["unix:///nonexistent/docker.sock"]):
            pass
