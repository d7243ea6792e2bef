"""The CPU limit is a request's: what its process starts counts, while it runs and when it has ended."""

from __future__ import annotations

import pytest

from sandbox import Limits, Pool

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

_HEAD = """
import os, time

def burn(seconds):
    while time.process_time() < seconds:
        pass
    os._exit(0)

def f():
    for _ in range(20):
"""
_CROWDS = {
    "one after the other": """
        if os.fork() == 0:
            burn(0.15)
        os.wait()
""",
    "all at once": """
        if os.fork() == 0:
            burn(0.15)
    for _ in range(20):
        os.wait()
""",
    "nobody waits for them": """
        done, running = os.pipe()
        if os.fork() == 0:
            burn(0.15)
        os.close(running)
        os.read(done, 1)
""",
    "nobody is their parent": """
        done, running = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                burn(0.15)
            os._exit(0)
        os.close(running)
        os.wait()
        os.read(done, 1)
""",
    "programs": """
        if os.fork() == 0:
            os.execv("/bin/sh", ["sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done"])
        os.wait()
""",
}


@pytest.mark.parametrize("crowd", _CROWDS)
async def test_many_small_processes_use_up_one_limit(sandbox: Pool, crowd: str) -> None:
    limits = Limits(cpu_s=0.6, wall_s=60.0, processes=24)
    outcome = await sandbox.run_program(_HEAD + _CROWDS[crowd], entry="f", limits=limits)
    assert outcome.status == "timeout-cpu", outcome


async def test_processes_that_use_little_are_allowed(sandbox: Pool) -> None:
    code = _HEAD + "        if os.fork() == 0:\n            os._exit(0)\n        os.wait()\n    return 1\n"
    outcome = await sandbox.run_program(code, entry="f", limits=Limits(cpu_s=5.0, wall_s=60.0))
    assert outcome.value == 1, outcome
