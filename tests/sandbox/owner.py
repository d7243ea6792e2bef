"""A process that holds a sandbox until it is killed; the tests of faults kill it. Argument: the backend."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from sandbox import Limits, open_sandbox
from sandbox.backends import Prefer


async def main() -> None:
    print("started", flush=True)
    async with open_sandbox(cast(Prefer, sys.argv[1]), size=2, build=True) as pool, pool.session():
        forever = "print('running')\nwhile True:\n    pass"
        running = asyncio.ensure_future(pool.run_program(forever, limits=Limits(wall_s=600, cpu_s=600)))
        print("ready", flush=True)
        await running


asyncio.run(main())
