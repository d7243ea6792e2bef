"""Who records a run: enough to tell later, from another process, whether it is still alive."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sandbox.processes import boot_id, pid_namespace, started


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
        this_process = current()
        boot, _, namespace = self.boot.partition("/")
        boot_here, _, namespace_here = this_process.boot.partition("/")
        if boot != boot_here:
            return True
        if namespace != namespace_here:
            return False
        return started(self.pid) != self.start


def current() -> Owner:
    """This process."""
    pid = os.getpid()
    return Owner(pid, started(pid) or 0, f"{boot_id()}/{pid_namespace()}")
