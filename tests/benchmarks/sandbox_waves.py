"""Waves of rollouts, as training makes them: how many containers each wave still has to make.

    python -m tests.benchmarks.sandbox_waves [--sessions 24] [--waves 6] [--backend docker]

A wave is so many sessions at once, each with a check of its own while it waits for the others; then silence.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from sandbox import Limits, Pool, open_sandbox
from sandbox.channel import Transport

MODULES = {"crowd": "async def run(host, args):\n    await host.call('everyone_is_here')\n"}
_SILENCE_S = 1.5


async def run(options: argparse.Namespace) -> None:
    async with open_sandbox(options.backend, MODULES, build=True) as pool:
        [host] = pool.hosts
        start, made = host.backend.start, []

        async def counted() -> Transport:
            made[-1] += 1
            return await start()

        host.backend.start = counted  # type: ignore[method-assign]
        for _ in range(options.waves):
            made.append(0)
            await _wave(pool, options.sessions)
            await asyncio.sleep(_SILENCE_S)
        print(f"{options.sessions} sessions with a check each, {options.waves} waves; {pool.name}")
        print(f"  containers made for each wave: {', '.join(map(str, made))}")


async def _wave(pool: Pool, count: int) -> None:
    here, everyone = 0, asyncio.Event()

    async def rollout() -> None:
        async def everyone_is_here(method: str, arguments: dict[str, Any]) -> None:
            nonlocal here
            here += 1
            if here == count:
                everyone.set()
            await everyone.wait()
            verdict = await pool.check("def f(x):\n    return x", ["assert f(1) == 1"], entry_point="f")
            assert verdict.status == "passed", verdict

        async with pool.session() as session:
            outcome = await session.call("crowd:run", {}, callback=everyone_is_here, limits=Limits(wall_s=60))
            assert outcome.status == "passed", outcome

    await asyncio.gather(*(rollout() for _ in range(count)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=24)
    parser.add_argument("--waves", type=int, default=6)
    parser.add_argument("--backend", choices=("docker", "bwrap"), default="docker")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
