"""Where the time of a split check goes: processor time and page faults of each process, by the check.

    python -m tests.benchmarks.sandbox_where [--checks 200]

In Docker on this machine, as root, since the processes of the container are read in /proc. What a check costs
the daemon, which passes its bytes on, is not seen. Processor time, so that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import NamedTuple

from sandbox import Pool, hosts, open_sandbox
from sandbox.docker_backend import DockerBackend
from tests.benchmarks.sandbox import SOLUTION, TESTS

_TICK_MS = 10.0


class _Used(NamedTuple):
    """Milliseconds and minor faults, and the same of children that ended."""

    ms: float
    faults: float
    children_ms: float
    children_faults: float

    def less(self, other: _Used, checks: int) -> _Used:
        return _Used(*((now - before) / checks for now, before in zip(self, other, strict=True)))


def _used(pid: int) -> _Used:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ran = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    return _Used(ran, int(stat[7]), (int(stat[13]) + int(stat[14])) * _TICK_MS, int(stat[8]))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _check(pool: Pool) -> None:
    verdict = await pool.check(SOLUTION, TESTS, entry_point="f", mode="split")
    assert verdict.status == "passed", verdict


def _processes(pool: Pool) -> dict[str, int]:
    """Runner, zygote and resident checker of the one container: the zygote's eldest child is the last."""
    backend = pool.hosts[0].backend
    assert isinstance(backend, DockerBackend)
    runner = backend.client.api.inspect_container(pool.idle[0].id)["State"]["Pid"]
    (zygote,) = _children(runner)
    longest = max(_children(zygote), key=lambda pid: _used(pid).ms)
    return {"runner (PID 1)": runner, "zygote": zygote, "resident checker": longest}


async def run(checks: int) -> None:
    hosts._SPARES = 0  # one container serves all
    async with open_sandbox("docker", size=1, build=True) as pool:
        for _ in range(30):
            await _check(pool)
        processes = _processes(pool)
        before, host = {name: _used(pid) for name, pid in processes.items()}, time.process_time()
        for _ in range(checks):
            await _check(pool)
        host = (time.process_time() - host) / checks * 1000
        spent = {name: _used(pid).less(before[name], checks) for name, pid in processes.items()}
    zygote = spent["zygote"]
    rows = [(name, used.ms, used.faults) for name, used in spent.items()]
    rows += [("the solution's process", zygote.children_ms, zygote.children_faults)]
    rows += [("this process", host, 0.0)]
    total = sum(ms for _, ms, _ in rows)
    print(f"{'a split check':<26}{'ms':>8}{'share':>8}{'page faults':>13}")
    for name, ms, faults in rows:
        print(f"{name:<26}{ms:8.2f}{ms / total:8.0%}{faults:13.0f}")
    print(f"{'together':<26}{total:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checks", type=int, default=150, help="fewer than one resident checker serves")
    asyncio.run(run(parser.parse_args().checks))


if __name__ == "__main__":
    main()
