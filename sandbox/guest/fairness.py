"""Time that a request lost because something else had the core: nobody's fault, so it does not count.

The kernel tells for each thread how long it was ready to run and did not (`/proc/PID/schedstat`). What a
request's own processes took from each other is its own affair: of the time that passed, they did not lose
what they used.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from . import linux

PATIENCE = 4  # times the wall limit, at most, are waited for a core
ENOUGH = 0.5  # of the CPU limit: who got less by then gets no verdict
_TICKS = os.sysconf("SC_CLK_TCK")


class Shares(NamedTuple):
    """What a group of processes got, in seconds."""

    used: float  # CPU time, that of children they waited for included
    waited: float  # ready to run, without a core; all their threads together
    threads: int

    def lost(self, elapsed: float) -> float:
        """Of `elapsed` seconds, those that others took."""
        return max(0.0, min(self.waited, elapsed - self.used))


def shares(pids: Collection[int], uids: Collection[int]) -> Shares:
    """Of the processes `pids`, and whatever else runs as one of `uids`."""
    group = {pid for pid, uid in linux.processes().items() if uid in uids}.union(pids)
    threads = [thread for pid in group for thread in _threads(pid)]
    return Shares(used(pids, uids), sum(map(_run_delay, threads)), len(threads))


def used(pids: Collection[int], uids: Collection[int]) -> float:
    """CPU seconds of the same, with those that ended and that nobody waited for yet."""
    group = {pid for pid, uid in linux.processes(ended=True).items() if uid in uids}.union(pids)
    return sum(map(_used, group))


def _used(pid: int) -> float:
    fields = linux.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS  # utime, stime, and both of its children


def waited(pid: int) -> float:
    """Seconds that `pid` was ready to run, without a core; all its threads together. 0.0 once it is gone."""
    return sum(map(_run_delay, _threads(pid)))


def _threads(pid: int) -> list[str]:
    folder = f"/proc/{pid}/task"
    try:
        return [f"{folder}/{thread}" for thread in os.listdir(folder)]
    except OSError:
        return []


def _run_delay(thread: str) -> float:
    fields = linux.read(f"{thread}/schedstat").split()  # ns on a core, ns waiting for one, turns
    return int(fields[1]) / 1e9 if len(fields) == 3 else 0.0
