"""The processes of a job, in whatever session and under whatever parent they are.

It does for this package what `sandbox.processes` does for the others; that one cannot be copied to a host.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

MARK = "FLOWREASONER_JOB"  # in the environment of every process of a job: the job's id
_PROC = Path("/proc")


def boot_id() -> str:
    """This boot of this kernel, "" where the system does not say."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def started(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None where it is not alive.

    A zombie is not: in a container without an init, nobody may ever reap it.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def variable(pid: int, name: str) -> str | None:
    """A variable that a process had in its environment when it started; None where there is none to read."""
    try:
        words = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    start = f"{name}=".encode()
    return next((os.fsdecode(word[len(start) :]) for word in words if word.startswith(start)), None)


def living() -> dict[int, tuple[int, int]]:
    """(parent, start time in clock ticks) of every living process, by process id."""
    by_pid = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None and fields[0] not in "ZX":
            by_pid[int(entry.name)] = int(fields[1]), int(fields[19])
    return by_pid


def members(job: str, *roots: int) -> dict[int, int]:
    """Start times in clock ticks of the processes of `job` except this one, by process id.

    They are those that carry its mark, `roots`, and the descendants of both: a program that sets its own
    title overwrites the environment that is read here.
    """
    alive, me = living(), os.getpid()
    pids = {pid for pid in alive if pid in roots or (pid != me and variable(pid, MARK) == job)}
    while more := {pid for pid, (parent, _) in alive.items() if parent in pids} - pids:
        pids |= more
    return {pid: alive[pid][1] for pid in pids if pid != me}


def send(pid: int, start: int | None, number: int) -> None:
    """Send the signal `number` to a process, if it is still the one that started at `start`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            handle = os.pidfd_open(pid)  # from here on, the number cannot come to mean another process
        except OSError:  # ended, or a kernel or container that does not have it
            if started(pid) == start:
                os.kill(pid, number)
            return
        try:
            if started(pid) == start:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; a process's name may hold spaces and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
