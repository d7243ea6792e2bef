"""Which process a pid means: the number alone is reused, and counts in one namespace of one boot only.

It is read from /proc and not through psutil: `create_time` there is wall-clock time, which moves when the
clock is set, and then every process that runs would look like another one than was written down.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def boot_id() -> str:
    """This boot of this kernel, "" where the system does not say."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """The namespace that pids of this process count in, "" where the system does not say."""
    try:
        return (_PROC / "self/ns/pid").readlink().name
    except OSError:
        return ""


def started(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None where it does not run (a zombie has ended).

    0 where there is no /proc and the process is there.
    """
    if (fields := _stat(pid)) is not None:
        return None if fields[0] in "ZX" else int(fields[19])
    return None if (_PROC / "self").exists() else _started_without_proc(pid)


def is_stopped(pid: int) -> bool:
    """Whether `pid` was stopped by a signal."""
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def _stat(pid: int) -> list[str] | None:
    """The fields of proc(5) /proc/PID/stat behind the name, from the state on."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets itself.
    return stat.rpartition(")")[2].split()


def _started_without_proc(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0
