"""What this process holds while guests misuse their calls of the host.

    python -m tests.benchmarks.sandbox_callbacks [--seconds 3] [--backend docker]

Each guest sends its frames again and again in sessions of its own, for so long; the most that was resident
meanwhile is printed beside what was before and what is left afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import time
from pathlib import Path
from typing import Any

from sandbox import Limits, Pool, open_sandbox
from tests.sandbox.attacks import ATTACKS, module

AT_ONCE = 4
_LIMITS = Limits(cpu_s=5.0, wall_s=10.0)
_OFTEN_S = 0.01
_GUESTS = [name for name in ATTACKS if "call" in name or "arguments" in name or "answer" in name]


async def _host(method: str, arguments: dict[str, Any]) -> Any:
    if method in ("wait", "m"):
        await asyncio.sleep(0.2)
    return "x" * (1 << 20) if method == "large" else 1


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


async def _guest(pool: Pool, name: str, until: float) -> int:
    """How often it ran."""
    runs = 0
    while time.monotonic() < until:
        async with pool.session() as session:
            entry = f"attacks:attack{list(ATTACKS).index(name)}"
            call = asyncio.ensure_future(session.call(entry, {}, callback=_host, limits=_LIMITS))
            await asyncio.wait([call], timeout=max(until - time.monotonic(), 0))
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
        runs += 1
    return runs


async def _measured(pool: Pool, name: str, seconds: float) -> None:
    gc.collect()
    before = most = _resident_mb()
    guests = [asyncio.ensure_future(_guest(pool, name, time.monotonic() + seconds)) for _ in range(AT_ONCE)]
    while not all(guest.done() for guest in guests):
        await asyncio.sleep(_OFTEN_S)
        most = max(most, _resident_mb())
    runs = sum([await guest for guest in guests])
    gc.collect()
    print(f"{name:<48}{runs:6}{before:9.0f}{most:9.0f}{_resident_mb():9.0f}", flush=True)


async def run(options: argparse.Namespace) -> None:
    async with open_sandbox(options.backend, {"attacks": module()}, size=2, build=True) as pool:
        print(f"{'MB of this process':<48}{'runs':>6}{'before':>9}{'most':>9}{'after':>9}")
        for name in ["nothing", *_GUESTS]:
            await _measured(pool, name, options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--backend", choices=("docker", "bwrap"), default="docker")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
