"""Where the runner keeps the resident checker: started for a split check, used by those that follow."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any, Protocol

from . import fairness, linux, places
from .process import End, Process

_CPU_S = 3600.0  # for its whole life; what a check may use is watched by the runner
_MOST_CHECKS = 200
_MOST_KB = 64 << 10
_IDLE_S = 2.0  # as the zygote's spares: while nothing is to be checked, its memory is not needed


class Runner(Protocol):
    """What it needs of the runner."""

    def next_uid(self) -> int: ...
    def spawn(self, process: Process, fds: list[int]) -> None: ...


class Desk:
    """At most one resident checker. `keep`: processes that cleaning up spares."""

    def __init__(self, runner: Runner, own_uids: bool, keep: set[int]) -> None:
        self._runner = runner
        self._enabled = own_uids  # else a solution could end it, and it could not be told from leftovers
        self._keep = keep
        self._resident: Process | None = None
        self._leaving: dict[str, Process] = {}
        self._sitting: Sitting | None = None
        self._checks = 0
        self._used = 0.0

    def sitting(self, limits: dict[str, Any]) -> Sitting | None:
        """A place for one check; None where it must be given a process of its own."""
        if not self._enabled or self._sitting is not None:
            return None
        resident = self._resident
        if resident is not None and (_lasting(limits) != resident.limits or self._checks >= _MOST_CHECKS):
            self.dismiss()
            resident = None
        if resident is None:
            resident = self._start(limits)
        self._checks += 1
        self._sitting = Sitting(self, resident, limits)
        return self._sitting

    def _start(self, limits: dict[str, Any]) -> Process:
        resident = Process("resident", self._runner.next_uid(), _lasting(limits), places.new_home(None))
        null = os.open("/dev/null", os.O_WRONLY)
        try:
            resident.start(self._runner, (null, null), None)
        finally:
            os.close(null)
        resident.send({})
        self._resident, self._checks = resident, 0
        return resident

    def dismiss(self) -> None:
        """End it; the next check gets another."""
        resident, self._resident = self._resident, None
        if resident is not None:
            self._leaving[resident.key] = resident
            resident.kill()

    def free(self, sitting: Sitting, *, orderly: bool) -> None:
        """A check is over. What was not orderly may have left something in the process."""
        self._used = time.monotonic()
        if self._sitting is sitting:
            self._sitting = None
        if not orderly and sitting.resident is self._resident:
            self.dismiss()

    def tick(self, now: float) -> None:
        """Let it go where nothing was to be checked for a while."""
        if self._resident is not None and self._sitting is None and now - self._used > _IDLE_S:
            self.dismiss()

    def on_zygote(self, key: str, message: dict[str, Any]) -> bool:
        """What the zygote says of it. False where it is about another process."""
        resident = self._leaving.get(key)
        if resident is None and self._resident is not None and self._resident.key == key:
            resident = self._resident
        if resident is None:
            return False
        if "spawned" in message:
            self._keep.add(message["pid"])
            resident.spawned(message["pid"])
            if self._sitting is not None and self._sitting.resident is resident:
                self._sitting.begun()
            return True
        gone = "failed" in message
        resident.end = (
            End(0, 0.0, 0) if gone else End(message["status"], message["cpu_ms"], message["rss_kb"])
        )
        with linux.acting_as(resident.uid), contextlib.suppress(OSError):
            os.rmdir(resident.home)  # it ended before it had done so
        self._leaving.pop(key, None)
        self._keep.discard(resident.pid)
        resident.close()
        if resident is self._resident:
            self._resident = None
        if self._sitting is not None and self._sitting.resident is resident:
            self._sitting.lost(resident.end)
        return True


def _lasting(limits: dict[str, Any]) -> dict[str, Any]:
    return {**limits, "cpu_s": _CPU_S, "wall_s": 0.0}


class Sitting(Process):
    """The resident checker during one check: as its request sees it, a process that starts and ends."""

    own = False

    def __init__(self, desk: Desk, resident: Process, limits: dict[str, Any]) -> None:
        super().__init__("checker", resident.uid, limits, resident.home)
        self._desk = desk
        self.resident = resident
        self._cpu_before = self._waited_before = 0.0
        self.begun()

    def sit(self, data: socket.socket) -> None:
        """Hand it the check's lines. `data`, the one to the solution, stays open here as well."""
        assert self.theirs is not None
        with contextlib.suppress(OSError):  # it is gone; its end is reported by the zygote
            socket.send_fds(self.resident.sock, [b"."], [self.theirs.fileno(), data.fileno()])
        self.theirs.close()
        self.theirs = None

    def begun(self) -> None:
        """Count from here what it uses."""
        self.pid = self.resident.pid
        if self.pid:
            self._cpu_before = linux.cpu_seconds(self.pid)
            self._waited_before = fairness.shares_of([self.pid], 0.0).waited

    @property
    def shares(self) -> fairness.Shares:
        now = fairness.shares_of([self.pid], self.cpu_s)
        return now._replace(waited=now.waited - self._waited_before, threads=1)

    @property
    def cpu_s(self) -> float:
        if self.end is not None:
            return self.end.cpu_ms / 1000
        return max(0.0, linux.cpu_seconds(self.pid) - self._cpu_before) if self.pid else 0.0

    @property
    def all_cpu_s(self) -> float:
        return self.cpu_s

    def rise(self) -> None:
        """The check came to its end by itself."""
        rss_kb = linux.peak_rss_kb(self.pid)
        self._over(End(0, self.cpu_s * 1000, rss_kb), orderly=rss_kb < _MOST_KB)

    def kill(self) -> None:
        """End the check where it is, and the process with it."""
        if self.end is None:
            self.killed = True
            self._over(End(-9, self.cpu_s * 1000, linux.peak_rss_kb(self.pid)), orderly=False)

    def lost(self, end: End) -> None:
        """The process ended by itself."""
        if self.end is None:
            self._over(
                End(end.status, max(0.0, end.cpu_ms - self._cpu_before * 1000), end.rss_kb), orderly=False
            )

    def _over(self, end: End, *, orderly: bool) -> None:
        self.end = end
        self._desk.free(self, orderly=orderly)
