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
    """When `pid` started, in clock ticks since boot; None where it does not live.

    A zombie does not: in a container without an init, nobody may ever reap it.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def variable(pid: int, name: str) -> str | None:
    """What a process had in its environment when it started; None where it had not, or is not ours."""
    try:
        words = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    start = f"{name}=".encode()
    return next((os.fsdecode(word[len(start) :]) for word in words if word.startswith(start)), None)


def living() -> dict[int, tuple[int, int]]:
    """Parent and start time of every process that lives."""
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None and fields[0] not in "ZX":
            found[int(entry.name)] = int(fields[1]), int(fields[19])
    return found


def members(job: str, *roots: int) -> dict[int, int]:
    """Start times of the processes of `job`, without this one: those that carry its mark, `roots`, and the
    descendants of both.

    Descendants, because a program that sets its own title overwrites the environment that is read here.
    """
    there, me = living(), os.getpid()
    found = {pid for pid in there if pid in roots or (pid != me and variable(pid, MARK) == job)}
    while more := {pid for pid, (parent, _) in there.items() if parent in found} - found:
        found |= more
    return {pid: there[pid][1] for pid in found if pid != me}


def send(pid: int, start: int | None, number: int) -> None:
    """Signal a process, if it still is the one that started at `start`."""
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
