"""Checks solutions under bubblewrap as the user it is started as, JSON to JSON. Argument: the checkout."""

from __future__ import annotations

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])

from sandbox import Limits, SandboxError, open_sandbox


async def main() -> None:
    asked = json.load(sys.stdin)
    limits = Limits(wall_s=8, cpu_s=1, processes=24, memory_mb=256)
    statuses: dict[str, str] = {}
    problems: list[str] = []
    async with open_sandbox("bwrap", size=2) as pool:
        for name, solution in asked["solutions"].items():
            try:
                verdict = await pool.check(
                    solution, asked["tests"], entry_point="f", limits=limits, mode="split"
                )
                statuses[name] = verdict.status
            except SandboxError:
                statuses[name] = "infra"
            for worker in list(pool.idle):
                if worker.reusable and (left := await worker.channel.probe()) is not None:
                    problems.append(f"{name}: {left}")
        loop = await pool.run_program("while True: pass", limits=Limits(cpu_s=0.3))
        found = {"description": pool.description, "statuses": statuses, "problems": problems}
        json.dump({**found, "loop": loop.status}, sys.stdout)


asyncio.run(main())
