"""Many workflows at once that mostly wait for a model: what they take over the wait itself.

    python -m tests.benchmarks.sandbox_sessions [--sessions N] [--calls N] [--latency MS] [--backend docker]

Each session runs one workflow process, which calls the host `--calls` times, one after the other; each
answer takes `--latency`. The ideal is that wait and nothing else, for all of them side by side.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

from sandbox import Limits, Pool, open_sandbox
from sandbox.docker_backend import DockerBackend

MODULES = {
    "flow": """
async def run(host, args):
    for number in range(args["calls"]):
        await host.call("model", number=number)
"""
}


async def run(options: argparse.Namespace) -> None:
    async with open_sandbox(options.backend, MODULES, build=True) as pool:
        await _crowd(pool, options, 2)
        print(
            f"{options.sessions} sessions, {options.calls} calls of {options.latency:g} ms each; {pool.name}"
        )
        print(f"(at most {pool.max_sessions} sessions at once here)")
        for _ in range(options.rounds):
            await _report(pool, options)


async def _report(pool: Pool, options: argparse.Namespace) -> None:
    ideal = options.calls * options.latency / 1000
    wall, times, containers, memory = await _crowd(pool, options, options.sessions)
    held = f", {memory / 1e6:.0f} MB: {memory / 1e6 / options.sessions:.1f} MB a session" if memory else ""
    print(
        f"  all done after {wall:.2f} s = {wall / ideal:.2f} x the ideal {ideal:.2f} s; a session took "
        f"{statistics.median(times) / ideal:.2f} x (p50), {max(times) / ideal:.2f} x (slowest); "
        f"{containers} containers{held}"
    )


async def _crowd(pool: Pool, options: argparse.Namespace, count: int) -> tuple[float, list[float], int, int]:
    """Wall seconds for all, seconds of each, containers used, and their memory while all wait."""
    waiting, all_wait = 0, asyncio.Event()
    used: set[str] = set()
    times: list[float] = []

    async def model(method: str, arguments: dict[str, Any]) -> None:
        nonlocal waiting
        waiting += arguments["number"] == 0
        if waiting == count:
            all_wait.set()
        await asyncio.sleep(options.latency / 1000)

    async def one() -> None:
        started = time.perf_counter()
        async with pool.session() as session:
            used.add(session.container_id)
            outcome = await session.call(
                "flow:run", {"calls": options.calls}, callback=model, limits=Limits()
            )
            assert outcome.status == "passed", outcome
        times.append(time.perf_counter() - started)

    started = time.perf_counter()
    memory = asyncio.ensure_future(_memory(pool, all_wait, used if count == options.sessions else set()))
    await asyncio.gather(*(one() for _ in range(count)))
    wall = time.perf_counter() - started
    return wall, times, len(used), await memory


async def _memory(pool: Pool, when: asyncio.Event, used: set[str]) -> int:
    """Bytes of the containers once all sessions wait; 0 where the kernel does not say."""
    await when.wait()
    backend = pool.hosts[0].backend
    if not isinstance(backend, DockerBackend):
        return 0

    def read(ident: str) -> int:
        return backend.client.api.stats(ident, stream=False, one_shot=True)["memory_stats"]["usage"]

    return sum(await asyncio.gather(*(asyncio.to_thread(read, ident) for ident in tuple(used))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=128)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--latency", type=float, default=200.0, metavar="MS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("docker", "bwrap"), default="docker")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
