"""What is said of requests and containers is so."""

from __future__ import annotations

import asyncio

import pytest

from sandbox import Limits, Pool, inspection
from sandbox.docker_backend import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_cpu_that_was_burnt_shows(sandbox: Pool) -> None:
    burn = "import time\nuntil = time.process_time() + 0.4\nwhile time.process_time() < until:\n    pass"
    usage = (await sandbox.run_program(burn)).usage
    assert 380 <= usage.cpu_ms < 900
    assert usage.wall_ms >= 380


async def test_time_asleep_is_wall_time_only(sandbox: Pool) -> None:
    usage = (await sandbox.run_program("import time\ntime.sleep(0.4)")).usage
    # The rest is a start and an end: with other processes around, longer by the clock, not in CPU time.
    assert usage.wall_ms >= 400
    assert usage.cpu_ms < 200


async def test_memory_that_was_held_shows(sandbox: Pool) -> None:
    small = (await sandbox.run_program("x = 1")).usage
    large = (await sandbox.run_program("x = bytearray(100 << 20)\ndel x")).usage
    assert small.max_rss_kb < 60 << 10
    assert 98 << 10 <= large.max_rss_kb - small.max_rss_kb < 130 << 10


async def test_output_is_counted_past_what_is_kept(sandbox: Pool) -> None:
    outcome = await sandbox.run_program("print('x' * 999_999)", limits=Limits(output_kept=10))
    assert (outcome.usage.output_bytes, len(outcome.stdout)) == (1_000_000, 10)


async def test_time_in_the_queue_shows(sandbox: Pool) -> None:
    nap = "import time\ntime.sleep(0.3)"
    outcomes = await asyncio.gather(*(sandbox.run_program(nap) for _ in range(sandbox.size * 2)))
    queued = sorted(outcome.usage.queue_ms for outcome in outcomes)
    # As many as there are workers begin at once; the others wait for a nap of those to end.
    assert queued[-1] >= 250
    assert queued[-1] >= queued[0] + 200


async def test_a_verdict_has_its_usage(sandbox: Pool) -> None:
    code = "def f():\n    return sum(range(3_000_000))"
    verdict = await sandbox.check(code, ["assert f() > 0"], entry_point="f")
    assert verdict.usage.cpu_ms > 10
    assert verdict.usage.max_rss_kb > 1000


async def test_containers_are_shown_with_limits_and_use(sandbox: Pool) -> None:
    if sandbox.name != "docker":
        pytest.skip("only Docker has containers to list")
    async with sandbox.session() as session:

        async def callback(method: str, arguments: dict[str, object]) -> None: ...

        for _ in range(3):
            await session.call("steps:echo", {}, callback=callback, limits=Limits())
        found = await asyncio.to_thread(inspection.containers, connect())
    ours = next(one for one in found if one.id == session.container_id)
    assert (ours.state, ours.orphaned) == ("running", False)
    assert (ours.memory_limit, ours.cpus) == (512 << 20, 1.0)
    assert ours.pids_limit > 0
    assert ours.requests is not None
    assert ours.requests >= 3
    assert ours.memory_bytes is not None
    assert 1 << 20 < ours.memory_bytes < 200 << 20
    assert ours.cpu_percent is not None
    assert 0 <= ours.cpu_percent < 250
    assert 0 <= ours.age_s < 3600


async def test_the_daemon_describes_itself(sandbox: Pool) -> None:
    if sandbox.name != "docker":
        pytest.skip("only Docker has a daemon")
    host = await asyncio.to_thread(inspection.host, connect())
    assert host.cores > 0
    assert host.memory_bytes > 1 << 30
    assert host.cgroup.startswith(("v1", "v2"))
    assert "runc" in host.runtimes


async def test_containers_that_come_and_go_are_no_problem(sandbox: Pool) -> None:
    if sandbox.name != "docker":
        pytest.skip("only Docker has containers to list")
    looking = asyncio.to_thread(lambda: [inspection.survey() for _ in range(3)])
    async with asyncio.TaskGroup() as group:
        found = group.create_task(looking)
        while not found.done():  # a program that is killed costs its container
            await sandbox.run_program("import os\nos.kill(os.getpid(), 9)")
    assert [survey.problem for surveys in found.result() for survey in surveys] == ["", "", ""]
