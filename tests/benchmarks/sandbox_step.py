"""What a step costs: requests to a warm sandbox against a bare subprocess and `docker exec`, interleaved.

    python tests/benchmarks/sandbox_step.py [ROUNDS]

Absolute times depend on the machine and on what else it does; the ratios are what counts.
"""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox import Limits, Pool, open_sandbox
from sandbox.pool import PooledSession

SOLUTION = "def f(x):\n    return x + 1\n"
TESTS = ["assert f(1) == 2", "assert f(2) == 3", "assert f(-1) == 0"]
MODULES = {
    "steps": "async def noop(host, args):\n    return None\n"
    "async def step(host, args):\n    return await host.call('step', n=args['n'])\n"
}
LIMITS = Limits()


def _limit() -> None:
    for what, value in (
        (resource.RLIMIT_CPU, 10),
        (resource.RLIMIT_AS, 1 << 30),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (value, value))


def bare() -> None:
    """The unit: a bare interpreter on the host, with limits and nothing else."""
    code = SOLUTION + "\n".join(TESTS)
    subprocess.run(["/usr/bin/python3", "-I", "-c", code], check=True, preexec_fn=_limit)


def docker_exec(client: Any, container_id: str) -> None:
    """The same code through the SDK's exec in a container that is already warm."""
    code = SOLUTION + "\n".join(TESTS)
    created = client.api.exec_create(container_id, ["python3", "-I", "-c", code], user="65534")
    client.api.exec_start(created["Id"])
    assert client.api.exec_inspect(created["Id"])["ExitCode"] == 0


async def _callback(method: str, arguments: dict[str, Any]) -> Any:
    return arguments["n"]


async def _call(session: PooledSession, entry: str) -> None:
    outcome = await session.call(entry, {"n": 1}, callback=_callback, limits=LIMITS)
    assert outcome.status == "passed", outcome


async def _check(pool: Pool) -> None:
    verdict = await pool.check(SOLUTION, TESTS, entry_point="f")
    assert verdict.status == "passed", verdict


async def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds by method, each round running every method once."""
    import docker

    client = docker.from_env()
    async with (
        open_sandbox("docker", MODULES, size=2, build=True) as pool,
        open_sandbox("bwrap", MODULES, size=2) as bwrap,
        pool.session() as session,
        bwrap.session() as bwrap_session,
    ):
        methods: dict[str, Callable[[], Awaitable[None]]] = {
            "python3 -I -c": lambda: asyncio.to_thread(bare),
            "docker exec": lambda: asyncio.to_thread(docker_exec, client, session.container_id),
            "call, no-op": lambda: _call(session, "steps:noop"),
            "call, one callback": lambda: _call(session, "steps:step"),
            "check, split": lambda: _check(pool),
            "call, one callback (bwrap)": lambda: _call(bwrap_session, "steps:step"),
            "check, split (bwrap)": lambda: _check(bwrap),
        }
        order = random.Random(0)
        times: dict[str, list[float]] = {name: [] for name in methods}
        for _ in range(rounds):
            # Shuffled, since each method runs while the one before it is still being cleaned up.
            for name in order.sample(sorted(methods), len(methods)):
                started = time.perf_counter()
                await methods[name]()
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    times = asyncio.run(measure(rounds))
    unit = statistics.median(times["python3 -I -c"])
    slow = statistics.median(times["docker exec"])
    print(f"{'method':<28} {'p50 ms':>8} {'p95 ms':>8} {'/ python3':>10} {'/ docker exec':>14}")
    for name, values in times.items():
        middle, high = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(f"{name:<28} {middle:8.2f} {high:8.2f} {middle / unit:10.2f} {middle / slow:14.3f}")


if __name__ == "__main__":
    main()
