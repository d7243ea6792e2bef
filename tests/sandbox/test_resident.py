"""The checker that stays: nothing passes from one check to the next, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import Limits, Pool
from sandbox.docker_backend import DockerBackend
from tests.sandbox.helpers import assert_healthy, until
from tests.support.missing import open_or_skip

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.either_backend]

RIGHT = "def f(x):\n    return x + 1"


@pytest_asyncio.fixture(params=["docker", "bwrap"], scope="module", loop_scope="module")
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    async with open_or_skip(request.param, size=1) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="module")
async def docker_pool() -> AsyncIterator[Pool]:
    async with open_or_skip("docker", size=1) as pool:
        yield pool


async def _check(pool: Pool, *tests: str, code: str = RIGHT, prelude: str = "", **limits: Any) -> str:
    verdict = await pool.check(
        code,
        tests,
        entry_point="f",
        prelude=prelude,
        limits=Limits(**limits),
        mode="auto",
    )
    return verdict.status


LEFTOVERS = [
    ("f = lambda x: 0\nassert f(1) == 0", "assert f(1) == 2"),
    ("def len(x):\n    return 7\nassert len([]) == 7", "assert len([]) == 0"),
    ("kept = 1\nassert f(1) == 2", "try:\n    kept\nexcept NameError:\n    kept = 0\nassert kept == 0"),
    ("import math\nmath.pi = 3\nassert math.pi == 3", "import math\nassert math.pi != 3"),
    ("import builtins\nbuiltins.sum = None\nassert f(1) == 2", "assert sum([1]) == 1"),
    (
        "import sys\nsys.setrecursionlimit(50)\nassert f(1) == 2",
        "def d(n):\n    return n and d(n - 1)\nassert d(300) == 0",
    ),
    (
        "import decimal\ndecimal.getcontext().prec = 1\nassert f(1) == 2",
        "from decimal import Decimal\nassert Decimal(1) / 3 != Decimal('0.3')",
    ),
    ("import os\nos.environ['LEFT'] = '1'\nassert f(1) == 2", "import os\nassert 'LEFT' not in os.environ"),
    ("open('left', 'w').close()\nassert f(1) == 2", "import os\nassert not os.path.exists('left')"),
]


@pytest.mark.parametrize(("first", "second"), LEFTOVERS)
async def test_nothing_passes_from_one_check_to_the_next(pool: Pool, first: str, second: str) -> None:
    for _ in range(2):  # the containers have their turns
        assert await _check(pool, first) == "passed"
        assert await _check(pool, second) == "passed"


async def test_a_prelude_that_could_leave_something_is_run_apart(pool: Pool) -> None:
    prelude = "import builtins\nbuiltins.max = min\n"
    for _ in range(3):
        assert await _check(pool, "assert max(1, 2) == 1", prelude=prelude) == "passed"
        assert await _check(pool, "assert max(1, 2) == 2") == "passed"


async def test_a_prelude_cut_short_serves_as_far_as_it_goes(pool: Pool) -> None:
    for _ in range(3):
        assert await _check(pool, "assert f(1) == 2", prelude="def g(x):\n    return (") == "passed"


HOSTILE = {
    "it ends everyone": "import os, signal\ndef f(x):\n    os.kill(-1, signal.SIGKILL)",
    "it ends": "import os\ndef f(x):\n    os._exit(0)",
    "it never answers": "def f(x):\n    while True:\n        pass",
    "it sleeps": "import time\ndef f(x):\n    time.sleep(60)",
    "it answers with noise": """
import contextlib, os
def f(x):
    for fd in range(64):
        with contextlib.suppress(OSError):
            os.write(fd, b"\\xff" * 64)
    return 1
""",
    "it answers with much": "def f(x):\n    return ['x' * 1000] * 5000",
    "it answers deeply": "def f(x):\n    a = []\n    for _ in range(5000):\n        a = [a]\n    return a",
    "it closes its line": "import os\ndef f(x):\n    os.closerange(0, 64)",
    "it takes all memory": "def f(x):\n    a = []\n    while True:\n        a.append(bytearray(1 << 22))",
    "it is not there": "g = 1",
    "it forks": """
import os, time
def f(x):
    for _ in range(5):
        if os.fork() == 0:
            time.sleep(60)
    return 1
""",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_solution_reaches_no_later_check(pool: Pool, code: str) -> None:
    assert await _check(pool, "assert f(1) == 2", code=code, cpu_s=0.3, wall_s=1.5) != "passed"
    for _ in range(2):
        assert await _check(pool, "assert f(1) == 2") == "passed"
        assert await _check(pool, "assert f(1) == 3") == "failed"
    await assert_healthy(pool)


async def test_what_was_judged_before_a_hang_is_kept(pool: Pool) -> None:
    code = "def f(x):\n    while x == 2:\n        pass\n    return x"
    tests = ["assert f(1) == 1", "assert f(3) == 4", "assert f(2) == 2"]
    verdict = await pool.check(code, tests, entry_point="f", limits=Limits(cpu_s=0.3))
    assert [test.status for test in verdict.tests] == ["passed", "failed", "timeout-cpu"]


async def test_tests_that_loop_or_fill_memory_end_alone(pool: Pool) -> None:
    assert await _check(pool, "while True:\n    f(1)", cpu_s=0.3) == "timeout-cpu"
    assert await _check(pool, "assert f(1) == 2") == "passed"
    assert await _check(pool, "x = [0]\nwhile True:\n    x += x", memory_mb=96) == "oom"
    assert await _check(pool, "assert f(1) == 2") == "passed"


async def _stayed(pool: Pool) -> dict[str, set[str]]:
    """Container → pids of what runs in it as a user that is not root."""
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    found = {}
    for worker in pool.idle:
        top = await asyncio.to_thread(backend.client.api.top, worker.id, "-eo pid,uid,args")
        found[worker.id] = {row[0] for row in top["Processes"] if row[1] != "0"}
    return found


async def test_it_stays_for_many_checks_and_goes_when_there_are_none(docker_pool: Pool) -> None:
    for _ in range(6):
        assert await _check(docker_pool, "assert f(1) == 2") == "passed"

    async def one_each() -> bool:  # once the solutions are gone
        return all(len(pids) == 1 for pids in (await _stayed(docker_pool)).values())

    await until(one_each)
    before = await _stayed(docker_pool)
    for _ in range(6):
        assert await _check(docker_pool, "assert f(1) == 3") == "failed"
        assert await _check(docker_pool, "import os\nassert f(1) == 2") == "passed"  # apart
    await until(one_each)
    after = await _stayed(docker_pool)
    assert any(before.get(container) == pids for container, pids in after.items())

    async def none() -> bool:
        return not any((await _stayed(docker_pool)).values())

    await until(none)
    await assert_healthy(docker_pool)


async def test_other_limits_get_another_one(docker_pool: Pool) -> None:
    assert await _check(docker_pool, "assert f(1) == 2", memory_mb=96) == "passed"
    assert await _check(docker_pool, "x = bytearray(200 << 20)\nassert f(1) == 2", memory_mb=96) == "oom"
    assert await _check(docker_pool, "x = bytes(200 << 20)\nassert f(1) == 2", memory_mb=300) == "passed"
    await assert_healthy(docker_pool)
