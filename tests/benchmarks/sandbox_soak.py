"""Mixed requests, one in twenty hostile: `python -m tests.benchmarks.sandbox_soak --requests 20000`.

Prints, ten times, what this process and its sandbox hold; it should be the same each time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sandbox import Limits, Pool, SandboxError, open_sandbox, reaper
from sandbox.docker_backend import DockerBackend
from tests.sandbox.attacks import ATTACKS, module

AT_ONCE = 8
HOSTILE = 0.05
_GOOD = "def f(x):\n    return x + 1\n"
_TESTS = ["assert f(1) == 2", "assert f(2) == 3"]
_CASE = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)"
)
_BAD = (
    "import os\nos.kill(os.getpid(), 9)",
    "x = []\nwhile True:\n    x.append(bytearray(1 << 20))",
    "import os\nwhile True:\n    os.write(1, bytes(1 << 16))",
    "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\0\\0\\0\\2\\0\\0\\0\\0{}')\n"
    "    except OSError:\n        pass",
)
# Those that wait, once they did what they do, until they are cancelled.
_ATTACKS = [
    number for number, name in enumerate(ATTACKS) if "frame" in name or "call" in name or "space" in name
]
_busy: list[str] = []  # hostile requests that got no verdict, since others had the cores
_QUICK = Limits(cpu_s=2.0, wall_s=4.0, memory_mb=128, processes=16)


async def _answer(method: str, arguments: dict[str, Any]) -> Any:
    if method == "wait":
        await asyncio.sleep(0.2)
    return 1


async def _check(pool: Pool) -> None:
    verdict = await pool.check(_GOOD, _TESTS, entry_point="f")
    assert verdict.status == "passed", verdict


async def _in_process(pool: Pool) -> None:
    verdict = await pool.check(_GOOD, [_CASE], entry_point="f")
    assert verdict.status == "passed", verdict


async def _program(pool: Pool) -> None:
    code = "def f():\n    open('x.txt', 'w').write('x')\n    return list(range(100))"
    outcome = await pool.run_program(code, entry="f", collect=("*.txt",))
    assert (outcome.value, len(outcome.files)) == (list(range(100)), 1), outcome


async def _session(pool: Pool) -> None:
    async with pool.session() as session:
        outcome = await session.call("attacks:victim", {"n": 1}, callback=_answer, limits=Limits())
        assert outcome.status == "passed", outcome


async def _hostile(pool: Pool) -> None:
    try:
        if random.random() < 0.5:
            await pool.run_program(random.choice(_BAD), limits=_QUICK)
            return
        async with pool.session() as session:
            entry = f"attacks:attack{random.choice(_ATTACKS)}"
            await session.call(entry, {}, callback=_answer, limits=_QUICK)
    except SandboxError as error:
        if error.reason != "busy":
            raise AssertionError(f"a hostile request was called the sandbox's fault: {error}") from None
        _busy.append(str(error))


_KINDS: tuple[tuple[Callable[[Pool], Awaitable[None]], float], ...] = (
    (_check, 0.5),
    (_in_process, 0.1),
    (_program, 0.2),
    (_session, 0.2 - HOSTILE),
    (_hostile, HOSTILE),
)


def _held(pool: Pool, tasks: int) -> str:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    mine = [c for c in reaper.containers(backend.client) if c.owner_pid == str(os.getpid())]
    inside = sum(len(backend.client.api.top(c.id)["Processes"]) for c in mine)
    fds = len(os.listdir("/proc/self/fd"))
    return (
        f"{int(resident) >> 10} MB, {fds} descriptors, {tasks} tasks here; "
        f"{len(mine)} containers with {inside} processes; {len(_busy)} hostile requests without a verdict"
    )


async def run(requests: int) -> None:
    """Raises AssertionError where a good request did not pass."""
    random.seed(0)
    kinds = random.choices(*zip(*_KINDS, strict=True), k=requests)
    async with open_sandbox("docker", {"attacks": module()}, size=2, build=True) as pool:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(kind: Callable[[Pool], Awaitable[None]]) -> None:
            async with turns:
                await kind(pool)

        started, tenth = time.monotonic(), max(requests // 10, 1)
        for first in range(0, requests, tenth):
            await asyncio.gather(*(one(kind) for kind in kinds[first : first + tenth]))
            await asyncio.sleep(1)  # until all is cleaned up
            held = await asyncio.to_thread(_held, pool, len(asyncio.all_tasks()))
            print(f"{first + tenth:6} requests, {time.monotonic() - started:5.0f} s: {held}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    asyncio.run(run(parser.parse_args().requests))


if __name__ == "__main__":
    main()
