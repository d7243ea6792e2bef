"""The CPU time of containers, read from their control groups, and of processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def container_cpu_s(container_id: str) -> float | None:
    """Seconds of CPU time that a container of this machine has used so far, by its full id.

    None where that cannot be read: it is gone, elsewhere, or not a Docker container.
    """
    if not container_id.isalnum():
        return None
    places = (
        (_GROUPS / "cpuacct" / "docker" / container_id / "cpuacct.usage", 1e9),
        (_GROUPS / "docker" / container_id / "cpu.stat", 1e6),
        (_GROUPS / "system.slice" / f"docker-{container_id}.scope" / "cpu.stat", 1e6),
    )
    for path, unit in places:
        with contextlib.suppress(OSError, ValueError, IndexError):
            # cpuacct.usage is one number; cpu.stat begins with "usage_usec NUMBER".
            return int(path.read_text().split()[0 if path.name == "cpuacct.usage" else 1]) / unit
    return None


def process_cpu_s(pid: int) -> float | None:
    """Seconds of CPU time that a process of this machine has used so far; None where it has ended."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        # Behind the name in brackets, which may hold anything; user and system time are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None
