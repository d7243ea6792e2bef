"""The kernel ends PID 1 of a container for memory, and all in it with it: the code's fault, told as such.

Only a program gets that far: a workflow's call cannot widen its sockets' buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, open_sandbox, reaper
from sandbox.docker_backend import DockerBackend
from tests.sandbox.helpers import assert_healthy
from tests.support.missing import skip_where_missing

# Memory that no process holds: to the kernel, the one that used it is no larger than any other.
EAT = """import os, socket, time
kept = []
for _ in range(44):
    if os.fork() == 0:
        try:
            while True:
                for end in socket.socketpair():
                    kept.append(end)
                    end.setblocking(False)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                for end in kept[-2:]:
                    try:
                        while True:
                            end.send(bytes(1 << 12))
                    except BlockingIOError:
                        pass
        except OSError:
            break
while True:
    time.sleep(1)"""
# Until its container is exposed (`_exposed`).
WAIT = "import time\nwhile open('/proc/1/oom_score_adj').read() != '1000\\n':\n    time.sleep(0.01)\n"
LIMITS = Limits(file_mb=8192, wall_s=60, cpu_s=30)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[Pool]:
    if os.geteuid() != 0:
        pytest.skip("only root may choose whom the kernel ends")
    try:
        context = open_sandbox("docker", {}, size=2, build=True)
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    if not _client(pool).api.base_url.startswith("http+docker"):
        pytest.skip("the daemon is not on this machine")
    yield pool
    ours = {worker.id for host in pool.hosts for worker in host._all}
    client = _client(pool)
    await context.__aexit__(None, None, None)
    assert not ours & {container.id for container in reaper.containers(client)}


def _client(pool: Pool) -> Any:
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    return backend.client


def _expose(client: Any, ident: str) -> None:
    """Make PID 1 one that the kernel may as well take; of those it is the largest."""
    with contextlib.suppress(Exception):  # it may have ended, or not have begun
        runner = int(client.api.inspect_container(ident)["State"]["Pid"])
        Path(f"/proc/{runner}/oom_score_adj").write_text("1000")


@contextlib.asynccontextmanager
async def _exposed(pool: Pool) -> AsyncIterator[None]:
    """For the length of the block, in every container of the pool."""
    client = _client(pool)

    async def expose() -> None:
        while True:
            for ident in {worker.id for host in pool.hosts for worker in host._all}:
                await asyncio.to_thread(_expose, client, ident)
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(expose())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_code_that_ends_two_containers_is_out_of_memory(pool: Pool) -> None:
    code = f"{WAIT}{EAT}"
    async with _exposed(pool):
        outcome = await pool.run_program(code, limits=LIMITS)
    assert (outcome.status, outcome.message) == ("oom", "it used up the container's memory, twice")
    await assert_healthy(pool)
    async with _exposed(pool):
        verdict = await pool.check(
            f"{code}\ndef f(): return 1", ["assert f() == 1"] * 2, entry_point="f", limits=LIMITS
        )
    assert (verdict.status, [test.status for test in verdict.tests]) == ("oom", ["oom", "oom"]), verdict
    await assert_healthy(pool)


async def test_work_beside_it_goes_on(pool: Pool) -> None:
    good = "import time\ntime.sleep(0.2)\ndef f():\n    return 1"
    async with _exposed(pool):
        eating = asyncio.ensure_future(pool.run_program(f"{WAIT}{EAT}", limits=LIMITS))
        others = [await pool.run_program(good, entry="f", limits=LIMITS) for _ in range(6)]
        assert (await eating).status == "oom"
    assert [outcome.value for outcome in others] == [1] * 6
