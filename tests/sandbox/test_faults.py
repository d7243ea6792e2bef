"""What fails around the sandbox: its owner, its containers, its daemon."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, labels, open_sandbox, reaper
from sandbox import worker as workers
from sandbox.docker_backend import DockerBackend
from sandbox.types import Outcome, Session
from tests.sandbox.helpers import until
from tests.support.missing import open_or_skip, skip_where_missing

MODULES = {
    "steps": "import time\nasync def sleep(host, args):\n    await host.call('asleep')\n    time.sleep(600)\n"
}


@pytest_asyncio.fixture
async def docker_pool() -> AsyncIterator[Pool]:
    async with open_or_skip("docker", MODULES, size=2) as pool:
        yield pool


def _backend(pool: Pool) -> DockerBackend:
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    return backend


def _client(pool: Pool) -> Any:
    return _backend(pool).client


async def _warm(pool: Pool) -> bool:
    return bool(pool.idle)


async def _taken(pool: Pool, container_id: str) -> bool:
    """Whether a request has this container, which was waiting for one."""
    return container_id not in {worker.id for worker in pool.idle}


def _owned_by(client: Any, pid: int) -> list[str]:
    return [c.id for c in reaper.containers(client) if c.owner_pid == str(pid)]


async def _asleep(session: Session) -> asyncio.Future[Outcome]:
    """A call that has begun, and would go on for ten minutes."""
    begun = asyncio.Event()

    async def asleep(method: str, arguments: dict[str, Any]) -> None:
        begun.set()

    limits = Limits(wall_s=600)
    call = asyncio.ensure_future(session.call("steps:sleep", {}, callback=asleep, limits=limits))
    await begun.wait()
    return call


async def test_a_removed_container_fails_its_calls_at_once(docker_pool: Pool) -> None:
    async with docker_pool.session() as session:
        call = await _asleep(session)
        await asyncio.to_thread(_client(docker_pool).api.remove_container, session.container_id, force=True)
        with pytest.raises(SandboxError) as caught:
            await asyncio.wait_for(call, 120)  # not when its limit is reached
        assert caught.value.reason == "container-lost"


async def test_a_check_survives_the_loss_of_its_container(docker_pool: Pool) -> None:
    for worker in docker_pool.idle:
        await asyncio.to_thread(_client(docker_pool).api.remove_container, worker.id, force=True)
    verdict = await docker_pool.check("def f(): return 1", ["assert f() == 1"], entry_point="f")
    assert verdict.status == "passed"


async def test_a_paused_container_gives_no_verdict(
    docker_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.channel.LOOK_EVERY_S", 0.3)
    client = _client(docker_pool)
    async with docker_pool.session() as session:
        call = await _asleep(session)
        await asyncio.to_thread(client.api.pause, session.container_id)
        with pytest.raises(SandboxError, match="unpause or remove it") as caught:
            await call
    assert caught.value.reason == "paused"
    # A check is tried again in another container, and has its verdict there.
    await until(lambda: _warm(docker_pool))
    served = docker_pool.idle[0]
    checked = asyncio.ensure_future(
        docker_pool.check(
            "import time\ndef f():\n    time.sleep(0.5)\n    return 1", ["assert f() == 1"], entry_point="f"
        )
    )
    await until(lambda: _taken(docker_pool, served.id))
    await asyncio.to_thread(client.api.pause, served.id)
    assert (await checked).status == "passed"


async def test_a_short_pause_costs_nothing(docker_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in which the container stood still does not count: it stands for as long as its whole limit."""
    monkeypatch.setattr("sandbox.channel.LOOK_EVERY_S", 600.0)  # short: it is over before it is looked for
    client, limit_s = _client(docker_pool), 4.0
    code = "import time\nfor _ in range(3):\n    time.sleep(0.1)\ndef f(): return 1"
    served = docker_pool.idle[0].id
    running = asyncio.ensure_future(
        docker_pool.run_program(code, entry="f", limits=Limits(wall_s=limit_s, cpu_s=1))
    )
    await until(lambda: _taken(docker_pool, served))
    await asyncio.to_thread(client.api.pause, served)
    await asyncio.sleep(limit_s)
    await asyncio.to_thread(client.api.unpause, served)
    outcome = await running
    assert outcome.value == 1, outcome


async def test_a_lost_container_says_how_it_ended(docker_pool: Pool) -> None:
    client = _client(docker_pool)
    async with docker_pool.session() as session:
        call = await _asleep(session)
        await asyncio.to_thread(client.api.kill, session.container_id)
        with pytest.raises(SandboxError, match=r"exit status 137.*flowreasoner doctor") as caught:
            await call
    assert not caught.value.out_of_memory


def test_no_temporary_files_are_needed() -> None:
    """A full /tmp of this machine stops nothing."""
    code = (
        "import asyncio\nfrom sandbox import open_sandbox\nasync def main():\n"
        "    async with open_sandbox(size=1) as pool:\n"
        "        print((await pool.run_program('def f(): return 1', entry='f')).value)\nasyncio.run(main())"
    )
    environment = {**os.environ, "TMPDIR": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    if b"no sandbox to run" in done.stderr or b"image is not built" in done.stderr:
        pytest.skip("no sandbox here")
    assert done.stdout == b"1\n", done.stderr


async def test_closing_leaves_no_container(docker_pool: Pool) -> None:
    client = _client(docker_pool)
    others = set(_owned_by(client, os.getpid()))  # pools that other tests of this process keep
    async with open_sandbox("docker", size=2) as pool:
        assert set(_owned_by(client, os.getpid())) - others
        running = asyncio.ensure_future(pool.run_program("while True: pass"))
        await asyncio.sleep(0)
    with pytest.raises(SandboxError):
        await running
    assert set(_owned_by(client, os.getpid())) <= others


async def test_a_spare_that_ends_is_replaced(docker_pool: Pool) -> None:
    await until(lambda: _warm(docker_pool))
    spare = docker_pool.idle[0]
    await asyncio.to_thread(_client(docker_pool).api.remove_container, spare.id, force=True)

    async def replaced() -> bool:
        return any(worker is not spare and worker.reusable for worker in docker_pool.idle)

    await until(replaced)
    assert spare not in docker_pool.idle


async def test_a_pool_refills_and_recycles(docker_pool: Pool) -> None:
    first = docker_pool.idle[0]
    outcome = await docker_pool.run_program("while True: pass", limits=Limits(wall_s=9, cpu_s=0.1))
    assert outcome.status == "timeout-cpu"
    assert first not in docker_pool.idle
    await until(lambda: _warm(docker_pool))


async def test_a_container_that_served_its_share_is_replaced(
    docker_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MAX_REQUESTS", 3)
    await until(lambda: _warm(docker_pool))
    first = docker_pool.idle[0]
    for _ in range(20):  # the containers have their turns
        assert (await docker_pool.run_program("print(1)")).status == "passed"
    assert first.requests == 3

    async def gone() -> bool:
        return first.id not in _owned_by(_client(docker_pool), os.getpid())

    await until(gone)
    await until(lambda: _warm(docker_pool))


async def test_the_reaper_takes_orphans_and_nothing_else(docker_pool: Pool) -> None:
    client = _client(docker_pool)
    ours = set(_owned_by(client, os.getpid()))
    image = _backend(docker_pool)._image
    dead = {**labels.own(), f"{labels.LABEL}.pid": "999999999"}
    late = {**labels.own(), f"{labels.LABEL}.deadline": "1"}
    elsewhere = {**dead, f"{labels.LABEL}.boot": "another machine"}
    made = [
        client.api.create_container(image, ["true"], labels=tags)["Id"] for tags in (dead, late, elsewhere)
    ]
    try:
        removed = set(reaper.reap(client))
        assert not removed & {*ours, made[2]}

        # Another test that opens a sandbox at this time may have been the one to take them.
        async def gone() -> bool:
            left = {container["Id"] for container in client.api.containers(all=True)}
            return not left & set(made[:2]) and made[2] in left

        await until(gone)
    finally:
        client.api.remove_container(made[2], force=True)


async def test_without_docker_bubblewrap_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(SandboxError) as caught:
        async with open_sandbox("docker"):
            pass
    assert caught.value.reason == "no-docker"
    assert "flowreasoner doctor --fix" in str(caught.value)
    try:
        async with open_sandbox() as pool:
            assert pool.name == "bwrap"
            assert pool.description.startswith("Docker cannot be used (no Docker daemon here")
            assert pool.description.count("\n") == 0
    except SandboxError as error:
        skip_where_missing(error)


async def test_with_neither_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError, match="no sandbox to run generated code in"):
        async with open_sandbox():
            pass


async def test_a_guest_module_that_does_not_import_is_named() -> None:
    with pytest.raises(SandboxError, match=r"'broken'.*no_such_thing"):
        async with open_sandbox("auto", {"broken": "import no_such_thing"}, build=True):
            pass


def test_importing_the_pool_does_not_import_docker() -> None:
    code = (
        "import sys, sandbox, sandbox.doctor; sys.exit('docker' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
