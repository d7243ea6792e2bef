"""kill -9 of the process that owns a sandbox, at any point of its life: nothing of it is left.

Eight points by default, four for each backend; FLOWREASONER_LONG=1 makes it fifty.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import SandboxError, labels, open_sandbox, reaper
from sandbox.bwrap_backend import BwrapBackend
from sandbox.docker_backend import connect
from tests.sandbox.helpers import until

POINTS = 25 if os.environ.get("FLOWREASONER_LONG") else 4
_LIFE_S = 2.0  # imports, first container, second container, a program that runs


def _usable(backend: str) -> str | None:
    """Why this backend cannot be tried here."""
    try:
        connect() if backend == "docker" else BwrapBackend()
    except SandboxError as error:
        return str(error)
    return None


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *_descendants(int(child))]
    return found


async def _owner(backend: str, line: bytes) -> asyncio.subprocess.Process:
    """A process that owns a sandbox, once it has printed `line`."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("owner.py")),
        backend,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    while (printed := await owner.stdout.readline()) != line:
        assert printed, "the owner ended by itself"
    return owner


async def _kill(owner: asyncio.subprocess.Process) -> list[int]:
    """Kill it; returns what it had for children at that moment."""
    owner.send_signal(signal.SIGSTOP)
    children = _descendants(owner.pid)
    owner.kill()
    await owner.wait()
    return children


def _containers(owner: int) -> list[str]:
    return [c.state for c in reaper.containers(connect()) if c.owner_pid == str(owner)]


async def _nothing_is_left(backend: str, owner: int, children: list[int]) -> None:
    async def ended() -> bool:
        if backend == "bwrap":
            return not any(labels.started(pid) for pid in children)
        # One whose owner was killed between creating and starting it holds nothing, and is the reaper's.
        return set(await asyncio.to_thread(_containers, owner)) <= {"created"}

    async def reaped() -> bool:
        await asyncio.to_thread(reaper.reap, connect())
        return not await asyncio.to_thread(_containers, owner)

    await until(ended)
    if backend == "docker":
        await until(reaped)


@pytest.mark.parametrize("backend", ["docker", "bwrap"])
async def test_at_random_points(backend: str) -> None:
    why = _usable(backend)
    if why is not None:
        pytest.skip(why)
    chance = random.Random(backend)
    for _ in range(POINTS):
        owner = await _owner(backend, b"started\n")
        await asyncio.sleep(chance.uniform(0, _LIFE_S))
        await _nothing_is_left(backend, owner.pid, await _kill(owner))


async def test_between_creating_a_container_and_starting_it() -> None:
    """The daemon keeps such a container; the next sandbox that opens removes it."""
    why = _usable("docker")
    if why is not None:
        pytest.skip(why)
    code = (
        "import os\nfrom sandbox.backends import choose_backends\n"
        "backend, = choose_backends('docker', build=True)\n"
        "made = backend.client.api.create_container_from_config(backend._config())\n"
        "print(made['Id'], flush=True)\nos.kill(os.getpid(), 9)"
    )
    root = str(Path(__file__).resolve().parents[2])  # noqa: ASYNC240 - no disk is touched
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, cwd=root, check=False
    )
    ident = done.stdout.decode().strip()
    assert {c.id: c.state for c in reaper.containers(connect())}.get(ident) == "created", done.stderr
    async with open_sandbox("docker", size=1):
        assert ident not in {c.id for c in reaper.containers(connect())}


@pytest.mark.parametrize("backend", ["docker", "bwrap"])
async def test_while_code_runs(backend: str) -> None:
    why = _usable(backend)
    if why is not None:
        pytest.skip(why)
    owner = await _owner(backend, b"ready\n")
    await _nothing_is_left(backend, owner.pid, await _kill(owner))
