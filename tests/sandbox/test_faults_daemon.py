"""What fails under the sandbox: a daemon restarted (never the main one), its image deleted, its disk full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sandbox import Limits, Pool, SandboxError, images, open_sandbox, reaper
from sandbox.backends import _spread_image
from sandbox.docker_backend import connect
from tests.sandbox.daemon import MAIN_HOST, Daemon, LoopDisk
from tests.sandbox.helpers import at_work, until
from tests.support.missing import skip_where_missing

SLOW = "import time\ntime.sleep(0.4)\ndef f():\n    return 1"


@pytest.fixture(scope="module")
def disk() -> Iterator[LoopDisk]:
    why = Daemon.missing()
    if why is not None:
        pytest.skip(why)
    try:
        small = LoopDisk(450)
    except OSError as error:
        pytest.skip(str(error))
    yield small
    small.remove()


@pytest.fixture(scope="module")
def daemon(disk: LoopDisk) -> Iterator[Daemon]:
    """A daemon whose root is on the small disk, with the image."""
    second = Daemon(disk.mount)
    try:
        second.start()
        _bring_image(second)
        yield second
    finally:
        second.remove()


def _bring_image(daemon: Daemon) -> None:
    try:
        clients = {MAIN_HOST: connect(host=MAIN_HOST), daemon.host: daemon.client()}
    except SandboxError as error:
        skip_where_missing(error)
    _spread_image(clients, True, "core", None)


async def _values(pool: Pool, count: int) -> list[object]:
    limits = Limits(wall_s=30)
    outcomes = await asyncio.gather(*(pool.run_program(SLOW, entry="f", limits=limits) for _ in range(count)))
    return [outcome.value for outcome in outcomes]


async def _warm(pool: Pool) -> bool:
    return any(worker.reusable for worker in pool.idle)


async def _missed(pool: Pool) -> bool:
    """Whether somebody wanted a container and could not have one."""
    return pool.hosts[0].down


async def test_a_run_goes_on_after_docker_was_restarted(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.placing._DAEMON_BACK_WITHIN_S", 120.0)
    async with open_sandbox("docker", hosts=[daemon.host], size=2) as pool:
        running = asyncio.ensure_future(_values(pool, 8))
        await until(lambda: at_work(pool.hosts[0]))
        await asyncio.to_thread(daemon.stop)
        await until(lambda: _missed(pool))
        await asyncio.to_thread(daemon.start)
        assert await running == [1] * 8
        await until(lambda: _warm(pool))
    assert not reaper.containers(daemon.client())


async def test_a_daemon_that_stays_away_stops_the_run(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.placing._DAEMON_BACK_WITHIN_S", 1.0)
    try:
        async with open_sandbox("docker", hosts=[daemon.host], size=1) as pool:
            await asyncio.to_thread(daemon.stop)
            with pytest.raises(SandboxError) as caught:
                await pool.run_program("pass")
    finally:
        await asyncio.to_thread(daemon.start)
    assert caught.value.reason == "daemon-down"
    assert "flowreasoner doctor" in str(caught.value)


async def test_a_full_disk_stops_the_run_and_says_so(daemon: Daemon, disk: LoopDisk) -> None:
    async with open_sandbox("docker", hosts=[daemon.host], size=1) as pool:
        await until(lambda: _warm(pool))
        filler = disk.fill()
        try:
            # Warm containers write nothing to the disk: they go on.
            assert (await pool.run_program("def f(): return 1", entry="f")).value == 1
            for worker in pool.idle:
                worker.channel.on_lost = lambda: None  # not to be replaced: none may use the image
                await worker.close()
            disk.fill()  # with what their removal gave back
            with pytest.raises(SandboxError) as caught:
                await pool.run_program("pass")
        finally:
            filler.unlink()
        assert caught.value.reason == "disk-full", caught.value
        assert "docker system df" in str(caught.value)
        assert (await pool.run_program("def f(): return 1", entry="f")).value == 1
    assert not reaper.containers(daemon.client())


async def test_a_deleted_image_stops_the_run_and_says_so(daemon: Daemon) -> None:
    client = daemon.client()
    async with open_sandbox("docker", hosts=[daemon.host], size=1) as pool:
        await until(lambda: _warm(pool))
        for worker in pool.idle:
            worker.channel.on_lost = lambda: None  # not to be replaced: none may use the image
            await worker.close()
        pool.hosts[0].idle.clear()
        client.images.remove(images.tag(), force=True)
        with pytest.raises(SandboxError) as caught:
            await pool.run_program("pass")
        assert caught.value.reason == "image-missing", caught.value
        assert "flowreasoner sandbox build" in str(caught.value)
        _bring_image(daemon)
        assert (await pool.run_program("def f(): return 1", entry="f")).value == 1
    assert not reaper.containers(client)
