"""Time that a request lost because something else had the core: nobody's fault, so it does not count.

The kernel tells for each thread how long it was ready to run and did not (`/proc/PID/schedstat`). What a
request's own processes took from each other is its own affair: of the time that passed, they did not lose
what they used. It tells of a wait only once that is over; a process that is ready to run and gets nowhere is
in the middle of one.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from . import linux

PATIENCE = 4  # times the wall limit, at most, are waited for a core
ENOUGH = 0.5  # of the CPU limit: who got less by then gets no verdict
LOOK_S = 0.02  # between two looks at whether it gets anywhere: longer than the kernel takes to note it
_TICKS = os.sysconf("SC_CLK_TCK")


class Shares(NamedTuple):
    """What a group of processes got, in seconds."""

    used: float  # CPU time, that of children they waited for included
    waited: float  # ready to run, without a core; all their threads together
    threads: int
    ready: int = 0  # threads that run or wait for a core now
    noted_ns: int = 0  # that the kernel has noted so far, on a core and waiting for one

    def lost(self, elapsed: float) -> float:
        """Of `elapsed` seconds, those that others took."""
        return max(0.0, min(self.waited, elapsed - self.used))

    def waits_since(self, before: Shares | None) -> bool:
        """Whether it is ready to run and got nowhere since `before`; without such a look it may be so."""
        return self.ready > 0 and (before is None or self.noted_ns == before.noted_ns)


def shares(pids: Collection[int], uids: Collection[int]) -> Shares:
    """Of the processes `pids`, and whatever else runs as one of `uids`."""
    group = {pid for pid, uid in linux.processes().items() if uid in uids}.union(pids)
    return shares_of(group, used(pids, uids))


def shares_of(pids: Collection[int], used_s: float) -> Shares:
    """Of the processes `pids`, which used so many seconds of CPU."""
    threads = [thread for pid in pids for thread in _threads(pid)]
    times = [_times(thread) for thread in threads]
    waited_s = sum(waiting for _, waiting in times) / 1e9
    return Shares(used_s, waited_s, len(threads), sum(map(_is_ready, threads)), sum(map(sum, times)))


def used(pids: Collection[int], uids: Collection[int]) -> float:
    """CPU seconds of the same, with those that ended and that nobody waited for yet."""
    group = {pid for pid, uid in linux.processes(ended=True).items() if uid in uids}.union(pids)
    return sum(map(_used, group))


def _used(pid: int) -> float:
    fields = linux.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS  # utime, stime, and both of its children


def _threads(pid: int) -> list[str]:
    folder = f"/proc/{pid}/task"
    try:
        return [f"{folder}/{thread}" for thread in os.listdir(folder)]
    except OSError:
        return []


def _times(thread: str) -> tuple[int, int]:
    """ns on a core, and ns waiting for one."""
    fields = linux.read(f"{thread}/schedstat").split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 3 else (0, 0)


def _is_ready(thread: str) -> bool:
    return linux.read(f"{thread}/stat").rpartition(b")")[2].split()[:1] == [b"R"]
