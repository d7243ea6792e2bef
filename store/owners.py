"""Who records a run: enough to tell later, from another process, whether it is still alive."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Owner:
    """A process id alone is reused; with its start time and the boot it belongs to, it is not."""

    pid: int
    start: int  # clock ticks since boot; 0 where the system does not say
    boot: str  # boot id and pid namespace; a pid means something only inside both

    def is_gone(self) -> bool:
        """Whether the process has certainly ended. False where it cannot be told: another
        container of this machine may see the same store but not the same processes.
        """
        here = current()
        boot, _, namespace = self.boot.partition("/")
        boot_here, _, namespace_here = here.boot.partition("/")
        if boot != boot_here:
            return True
        if namespace != namespace_here:
            return False
        return _start_of(self.pid) != self.start


def current() -> Owner:
    """This process."""
    pid = os.getpid()
    return Owner(pid, _start_of(pid) or 0, f"{_boot_id()}/{_namespace()}")


def _start_of(pid: int) -> int | None:
    """When the process started, None when it does not run (a zombie has ended)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if _PROC.joinpath("self").exists() else _start_without_proc(pid)
    # The name, in brackets, may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _start_without_proc(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return (_PROC / "self/ns/pid").readlink().name
    except OSError:
        return ""
