"""Without isolation there still are limits, an end, and a stamp on every verdict; strangers are safe."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, backends, open_sandbox
from sandbox.local_backend import LocalBackend
from tests.sandbox.helpers import assert_healthy, at_work, until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def local() -> AsyncIterator[Pool]:
    async with open_sandbox("unsafe-local", size=2) as pool:
        yield pool


def ours() -> list[str]:
    return [name for name in os.listdir("/tmp") if name.startswith("flowreasoner-unsafe-")]


async def test_verdicts_are_stamped(local: Pool) -> None:
    verdict = await local.check("def f(x):\n    return x + 1", ["assert f(1) == 2"], entry_point="f")
    assert (verdict.status, verdict.sandbox) == ("passed", "unsafe-local")
    wrong = await local.check("def f(x):\n    return x", ["assert f(1) == 2"], entry_point="f")
    assert (wrong.status, wrong.sandbox) == ("failed", "unsafe-local")
    assert local.description.startswith("UNSAFE")
    await assert_healthy(local)


async def test_limits_hold(local: Pool, quick: Limits) -> None:
    slow = dataclasses.replace(quick, cpu_s=0.3, wall_s=20)  # however busy the machine, CPU decides
    assert (await local.run_program("while True:\n    pass", limits=slow)).status == "timeout-cpu"
    for code, statuses in (
        ("import time\ntime.sleep(60)", {"timeout-wall"}),
        ("x = []\nwhile True:\n    x.append(bytearray(1 << 20))", {"oom"}),
        ("import os\nwhile True:\n    os.write(1, b'x' * 65536)", {"output-limit"}),
    ):
        outcome = await local.run_program(code, limits=quick)
        assert outcome.status in statuses, outcome
    await assert_healthy(local)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


async def test_daemons_end_and_strangers_live(
    local: Pool, stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    code = (
        "import os, time\nprint(os.getcwd())\nopen('left', 'w').close()\n"
        "if os.fork() == 0:\n    os.setsid()\n    pid = os.fork()\n"
        "    if pid == 0:\n        time.sleep(60)\n    os._exit(0)"
    )
    outcome = await local.run_program(code)
    assert outcome.status == "passed", outcome
    await assert_healthy(local)
    assert stranger.poll() is None
    assert os.access(tmp_path, os.F_OK)
    assert not os.access(outcome.stdout.strip(), os.F_OK)


async def test_nothing_is_left_behind() -> None:
    before = set(ours())
    async with open_sandbox("unsafe-local", size=1) as pool:
        made = set(ours()) - before
        assert made
        task = asyncio.ensure_future(pool.run_program("import time\ntime.sleep(60)"))
        await until(lambda: at_work(pool.hosts[0]))
        task.cancel()

    async def gone() -> bool:
        return not made & set(ours())

    await until(gone)


async def test_it_ends_with_its_host() -> None:
    before = set(ours())
    code = (
        "import asyncio, os\nfrom sandbox import open_sandbox\nasync def main():\n"
        "    async with open_sandbox('unsafe-local', size=1) as pool:\n"
        "        asyncio.ensure_future(pool.run_program('import time; time.sleep(60)'))\n"
        "        while not pool.hosts[0].busy:\n            await asyncio.sleep(0)\n"
        "        os.kill(os.getpid(), 9)\nasyncio.run(main())"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], cwd=ROOT, check=False)

    async def gone() -> bool:
        return set(ours()) <= before

    await until(gone)


async def test_sessions_without_uids_of_their_own_share_nothing(local: Pool) -> None:
    async with local.session() as one, local.session() as other:
        assert one.container_id != other.container_id


async def test_auto_never_means_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError):
        backends.choose_backends("auto")
    assert isinstance(backends.choose_backends("unsafe-local")[0], LocalBackend)
