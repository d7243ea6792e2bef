"""One process of a request, as the runner sees it: its control socket, its limits, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import Any, NamedTuple, Protocol

from . import fairness, frames, linux, messages

MAX_DATAGRAM = 64 << 10  # between runner and zygote
_MAX_FDS = 8
_FD = 4  # bytes, where descriptors travel
_MAX_QUEUED = 32 << 20  # replies waiting for a child that does not read
_MAX_LAST_READS = 64  # of what a process sent before it ended


def receive_fds(sock: socket.socket) -> tuple[bytes, list[int]]:
    """A datagram and the descriptors that came with it. `socket.recv_fds`, in fewer pages."""
    data, attached, _, _ = sock.recvmsg(MAX_DATAGRAM, socket.CMSG_LEN(_MAX_FDS * _FD))
    fds: list[int] = []
    for level, kind, body in attached:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(body) - len(body) % _FD
            fds += [int.from_bytes(body[at : at + _FD], sys.byteorder) for at in range(0, whole, _FD)]
    return data, fds


class End(NamedTuple):
    """How a process ended, as its parent saw it."""

    status: int  # exit status, or minus the signal
    cpu_ms: float
    rss_kb: int


class Zygote(Protocol):
    """What a process needs of the runner to be born."""

    def spawn(self, process: Process, fds: list[int]) -> None:
        """Have the zygote fork `process` with these file descriptors."""
        ...


class Process:
    """A child. `role` is what it runs; `uid` is its own in this container, `home` its directory."""

    own = True  # it is its request's alone: whatever else has its uid belongs to that request, too

    def __init__(self, role: str, uid: int, limits: dict[str, Any], home: str) -> None:
        self.role = role
        self.uid = uid
        self.home = home
        self.limits = limits
        self.key = f"{uid}"
        self.pid = 0
        self.up = False
        self.end: End | None = None
        self.killed = False
        self.cost = (0.0, 0)  # cpu_ms and rss_kb when it was killed
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.sock = ours
        self.theirs: socket.socket | None = theirs
        self._splitter = frames.Splitter(messages.caps(int(limits["result_bytes"])))
        self._queue = bytearray()

    def start(self, zygote: Zygote, output: tuple[int, ...], data: socket.socket | None) -> None:
        """Ask the zygote for it. `data` is the split roles' line to each other."""
        assert self.theirs is not None
        fds = [self.theirs.fileno(), *output]
        if data is not None:
            fds.append(data.fileno())
        zygote.spawn(self, fds)
        self.theirs.close()
        self.theirs = None

    @property
    def order(self) -> dict[str, Any]:
        """What the zygote is told to fork."""
        kept = {"key": self.key, "role": self.role, "uid": self.uid, "home": self.home}
        return {**kept, "limits": self.limits}

    def receive(self) -> bool:
        """Take what arrived. False when the child closed its end."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._splitter.feed(data)
        return bool(data)

    def receive_rest(self) -> None:
        """Take what it sent before it ended. Whoever holds a copy of its socket could go on sending."""
        for _ in range(_MAX_LAST_READS):
            if not self._has_sent or not self.receive():
                return

    def next_frame(self) -> frames.Frame | None:
        """The next frame that arrived whole, if its role may send such a one.

        Raises:
            frames.FrameError, schema.SchemaError: it may not.
        """
        frame = self._splitter.next()
        if frame is not None:
            messages.FROM_ROLE[self.role].check(frame)
        return frame

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Queue a frame. A child that lets too much pile up is killed."""
        self._queue += frames.pack(head, body)
        self.flush()
        if len(self._queue) > _MAX_QUEUED:
            self.kill()

    def flush(self) -> None:
        """Send what the socket takes now."""
        try:
            while self._queue:
                del self._queue[: self.sock.send(self._queue[: 1 << 18])]
        except BlockingIOError:
            return
        except OSError:
            self._queue.clear()  # it is gone; its end is reported by the zygote

    @property
    def _has_sent(self) -> bool:
        """Whether something it sent is still to be read."""
        with contextlib.suppress(OSError):
            return bool(self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    @property
    def wants_write(self) -> bool:
        """Whether frames wait to be sent."""
        return bool(self._queue)

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        if self.end is not None:
            return self.end.cpu_ms / 1000
        return linux.cpu_seconds(self.pid) if self.pid else 0.0

    @property
    def all_cpu_s(self) -> float:
        """The same with all that it started; costs a look at every process."""
        return max(self.cpu_s, fairness.used([self.pid] if self.pid and self.end is None else [], {self.uid}))

    @property
    def shares(self) -> fairness.Shares:
        """What it, and whatever else has its uid, got of the machine so far."""
        return fairness.shares([self.pid] if self.pid and self.end is None else [], {self.uid})

    @property
    def usage(self) -> tuple[float, int]:
        """CPU time in ms and peak memory in kB, by its parent's account where it has ended."""
        return self.cost if self.end is None else (self.end.cpu_ms, self.end.rss_kb)

    @property
    def unaccounted(self) -> bool:
        """Whether nobody noted what it used: it was gone, or its answer came before word of its pid."""
        return self.killed and self.end is None and 0 in self.cost

    def kill(self) -> None:
        """SIGKILL it, now or as soon as its pid is known."""
        self.killed = True
        if self.pid and self.end is None:
            if 0 in self.cost:
                self.cost = (linux.cpu_seconds(self.pid) * 1000, linux.peak_rss_kb(self.pid))
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def spawned(self, pid: int) -> None:
        """The zygote forked it; a kill that was asked for meanwhile is carried out."""
        self.pid = pid
        if self.killed:
            self.kill()

    def close(self) -> None:
        """Close our ends of its connection."""
        self.sock.close()
        if self.theirs is not None:
            self.theirs.close()


def ending(end: End, cpu_limit_s: float, oom: bool, hung_up: bool) -> tuple[str, str | None, str]:
    """(status, reason, message) of a process that ended without its answer.

    `hung_up`: we killed it because it had closed its connection.
    """
    if end.status == -signal.SIGXCPU or (end.status == -signal.SIGKILL and end.cpu_ms >= cpu_limit_s * 1000):
        return "timeout-cpu", None, f"it used its {cpu_limit_s:g} s of CPU time"
    if end.status == -signal.SIGKILL and oom:
        held = f"it held {end.rss_kb >> 10} MB"
        return "oom", None, f"the kernel ended it when the container's memory was used up; {held}"
    if end.status == -signal.SIGKILL and hung_up:
        return "failed", "no-verdict", "it closed its connection without an answer"
    if end.status < 0:
        try:
            name = signal.Signals(-end.status).name
        except ValueError:
            name = "?"
        used = f"{end.cpu_ms / 1000:.2f} s of CPU time and {end.rss_kb >> 10} MB of memory"
        return "failed", "signal", f"it was ended by signal {-end.status} ({name}) after {used}"
    return "failed", "no-verdict", f"it ended (exit status {end.status}) without an answer"
