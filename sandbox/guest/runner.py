"""PID 1 of the container: many requests over one channel, each in processes of its own.

    host → runner   {"t": "init", "modules", "uid_base", "uid_count", "lifetime_s"}
                    {"t": "run", "id", "body", "limits"}     {"t": "kill", "id"}
                    {"t": "reply", "id", "call"} with a value, or {…, "error": [kind, message]}
                    {"t": "probe", "id"}
    runner → host   {"t": "ready", …}   {"t": "callback", "id", "call", "method"} with arguments
                    {"t": "file", "id", "name", "refused"} with its content
                    {"t": "done", "id", …} with a value   {"t": "probed", "id", "problem"}
                    {"t": "dirty"}: something of a request could not be removed

`messages` says what each looks like. Values are the bodies of frames: they pass through here unread.

The channel is this process's stdin and stdout, which no other process holds. At its end (the host
is gone) the runner exits, and the kernel ends everything else in the container with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from . import cleanup, frames, linux, memory, zygote
from .desk import Desk, Sitting
from .process import MAX_DATAGRAM, End, Process
from .request import Request
from .testing import KINDS
from .watching import Watched

_READ = 1 << 18
_INIT_WITHIN_S = 60
_UIDS_NEEDED = 8  # by one more request
_ACCOUNT_WITHIN_S = 1.0  # the zygote is ours, and answers at once where it has a core
_IDLE_S = 1.0  # longest sleep, so that orphans are reaped
_STALL_S = 1.0  # a longer oversleep means the container was paused: that time is nobody's fault


def main() -> NoReturn:
    """Serve until the host closes the channel."""
    host_in, host_out = _take_channel()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    splitter = frames.Splitter()
    waiting = select.poll()
    waiting.register(host_in, select.POLLIN)
    while (first := splitter.next()) is None:
        if not waiting.poll(_INIT_WITHIN_S * 1000):
            os._exit(0)  # the host died while it made us
        data = os.read(host_in, _READ)
        if not data:
            os._exit(0)
        splitter.feed(data)
    Runner(host_in, host_out, splitter, first.head).run()


def _take_channel() -> tuple[int, int]:
    """Move the channel off the standard descriptors, so that nothing can print into it."""
    linux.hide()
    host_in, host_out = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return host_in, host_out


class Runner:
    """The event loop. One thread; only writing to the host may block, and the host always reads."""

    def __init__(self, host_in: int, host_out: int, splitter: frames.Splitter, init: dict[str, Any]) -> None:
        self._in, self._out = host_in, host_out
        self._splitter = splitter
        self._uid, self._uid_end = init["uid_base"], init["uid_base"] + init["uid_count"]
        self._ends_at = time.monotonic() + init["lifetime_s"]
        problem = zygote.preload(init["modules"])
        self._zygote, self._zygote_pid = zygote.launch(init["own_uids"], self._leave)
        self._cleaner = cleanup.Cleaner(init["own_uids"], {1, os.getpid(), self._zygote_pid})
        self._desk = Desk(self, init["own_uids"], self._cleaner.keep)
        self._dirty = False
        self._served = 0
        self._count(0)
        self._backlog: list[frames.Frame] = []  # waiting for what others leave behind to be gone
        self._requests: dict[str, Request] = {}
        self._processes: dict[str, tuple[Request, Process]] = {}
        self._memory = memory.Watch()
        self._watched = Watched(host_in, self._zygote.fileno())
        self.to_host({"t": "ready", "python": sys.version.split()[0], "problem": problem})

    def _leave(self) -> None:
        """In the zygote: the channel, and what was read from it, is not for it."""
        os.close(self._in)
        os.close(self._out)
        self._splitter = frames.Splitter()

    # What requests use.

    def next_uid(self) -> int:
        self._uid += 1
        return self._uid - 1

    def sitting(self, limits: dict[str, Any]) -> Sitting | None:
        return self._desk.sitting(limits)

    def adopt(self, request: Request, process: Process) -> None:
        """Watch a process that `request` started later."""
        self._processes[process.key] = (request, process)
        self._watched.add_process(request, process)

    def to_host(self, head: dict[str, Any], body: bytes = b"") -> None:
        data = memoryview(frames.pack(head, body))
        while data:
            data = data[os.write(self._out, data) :]

    def spawn(self, process: Process, fds: list[int]) -> None:
        socket.send_fds(self._zygote, [frames.encode(process.order).encode()], fds)

    # The loop.

    def run(self) -> NoReturn:
        self._read_host(b"")
        wait = 0.0
        while True:
            asked = time.monotonic()
            ready = self._watched.wait(wait)
            now = time.monotonic()
            if now - asked > wait + _STALL_S:
                self._forgive(now - asked - wait)
            for fd, event in ready:
                self._on_ready(fd, event)
            wait = self._tick(time.monotonic())

    def _on_ready(self, fd: int, event: int) -> None:
        if fd == self._in:
            data = os.read(fd, _READ)
            if not data:
                os._exit(0)
            self._read_host(data)
        elif fd == self._zygote.fileno():
            self._on_zygote()
        elif source := self._watched.source(fd):
            request, process = source
            if process is None:
                if not request.output.read(fd):
                    self._watched.drop(fd)
            else:
                if event & select.POLLOUT:
                    process.flush()
                if event & (select.POLLIN | select.POLLHUP) and not request.on_frames(process):
                    self._watched.drop(fd)
                    request.on_hangup(process)

    def _read_host(self, data: bytes) -> None:
        self._splitter.feed(data)
        while frame := self._splitter.next():
            self._on_host(frame)

    def _tick(self, now: float) -> float:
        """Enforce limits and finish what is over. Returns the seconds until the next look."""
        if now > self._ends_at:
            os._exit(0)
        wait = _IDLE_S
        self._desk.tick(now)
        for request in list(self._requests.values()):
            wait = min(wait, request.check_limits(now))
            if request.answered and not request.reported:
                self._report(request)
            if request.over:
                self._finish(request)
        if len(self._requests) > 1:
            self._share_memory(now)
            wait = min(wait, self._memory.patience_s(now))
        if not self._requests:
            try:
                linux.reap_orphans({self._zygote_pid})
            except ChildProcessError as error:
                self._die(str(error))
        return max(wait, 0.001)

    def _share_memory(self, now: float) -> None:
        """End the request that would leave its neighbours none."""
        owners = {p.uid: r for r in self._requests.values() for p in r.processes if p.own}
        limits = {uid: int(owner.limits["memory_mb"]) << 20 for uid, owner in owners.items()}
        uid = self._memory.greediest(now, limits)
        if uid is not None:
            owners[uid].stop(("oom", None, "its processes together used up the memory of the container"))
            self._cleaner.kill(uid)

    def _forgive(self, seconds: float) -> None:
        for request in self._requests.values():
            request.forgive(seconds)

    # Messages.

    def _on_host(self, frame: frames.Frame) -> None:
        message, body = frame
        kind = message["t"]
        if self._must_wait(message):
            self._backlog.append(frame)
        elif kind == "run":
            self._run(message)
        elif kind == "probe":
            self.to_host({"t": "probed", "id": message["id"], "problem": self._probe()})
        elif kind == "reply" and message["id"] in self._requests:
            self._requests[message["id"]].on_reply(message, body)
        elif kind == "kill" and message["id"] in self._requests:
            self._requests[message["id"]].stop(("failed", "no-verdict", "cancelled"))
        elif kind == "kill":
            self._backlog = [waiting for waiting in self._backlog if waiting.head["id"] != message["id"]]

    def _must_wait(self, message: dict[str, Any]) -> bool:
        """Whether it needs what a request that has its answer holds until it is cleaned up: the container to
        itself, or, a call, the space at its seat, which another session may have had before."""
        if message["t"] not in ("run", "probe"):
            return False
        body = message.get("body")
        if body is None or body["kind"] != "call":
            return any(request.reported for request in self._requests.values())
        return any(r.reported and r.body.get("seat") == body.get("seat") for r in self._requests.values())

    def _run(self, message: dict[str, Any]) -> None:
        kind = message["body"]["kind"]
        if self._dirty and kind != "call":  # a session goes on; anything else finds a clean container
            why = {"status": "infra", "reason": "protocol", "message": "the container is not clean"}
            rest = {
                "usage": None,
                "stdout": "",
                "stderr": "",
                "mode": "split",
                "tests": [],
                "by_kernel": False,
            }
            self.to_host({"t": "done", "id": message["id"], "clean": False, **why, **rest})
        else:
            self._count(1)
            self._start(KINDS[kind](self, message))

    def _count(self, more: int) -> None:
        """Show in our name how many requests we got: whoever looks at the container can read it there."""
        self._served += more
        linux.name_process(f"runner {self._served}")

    def _start(self, request: Request) -> None:
        self._requests[request.id] = request
        request.start()
        for process in request.processes:
            if process.own:
                self._processes[process.key] = (request, process)
        request.launched()
        self._watched.add(request)

    def _probe(self) -> str | None:
        if self._requests:
            return f"{len(self._requests)} requests are running"
        linux.reap_orphans({self._zygote_pid})
        return self._cleaner.probe()

    def _on_zygote(self) -> None:
        data = self._zygote.recv(MAX_DATAGRAM)
        if not data:
            self._die("the zygote ended")
        message = frames.parse(data)
        key = str(message.get("spawned") or message.get("failed") or message.get("exited"))
        if self._desk.on_zygote(key, message):
            return
        request, process = self._processes[key]
        if "spawned" in message:
            process.spawned(message["pid"])
            return
        if "failed" in message:
            process.end = End(0, 0.0, 0)
            request.on_failed_spawn(message["error"])
        else:
            if message["status"] == -signal.SIGKILL:
                request.helpers = list(linux.processes().values()).count(process.uid)
            self._cleaner.kill(process.uid)
            # What it sent before it ended is still in its socket.
            if self._watched.source(process.sock.fileno()):
                process.receive_rest()
                request.handle(process)
            process.end = End(message["status"], message["cpu_ms"], message["rss_kb"])
        del self._processes[key]
        self._watched.drop(process.sock.fileno())

    def _finish(self, request: Request) -> None:
        del self._requests[request.id]
        self._watched.drop_all(request)
        if not request.reported:
            self._report(request)
        request.close()
        homes = {process.uid: process.home for process in request.processes if process.own}
        if not self._cleaner.after(homes, not self._requests) and not self._dirty:
            self._dirty = True
            self.to_host({"t": "dirty"})
        backlog, self._backlog = self._backlog, []
        for frame in backlog:
            self._on_host(frame)

    def _report(self, request: Request) -> None:
        """Tell the host. Exits and clean-up follow; only the next request of the container waits for them."""
        for process in request.processes:
            if process.end is None:
                process.kill()  # notes what it used, which nobody can read any more once it is gone
        self._hear_of_ended(request)
        for process in request.processes:
            if process.end is None:  # else all of its uid was killed when it ended
                self._cleaner.kill(process.uid)
        if request.body.get("collect"):
            with self._cleaner.acting_as(request.processes[0].uid):
                for head, data in request.files():
                    self.to_host(head, data)
        request.reported = True
        report = {**request.report(), "clean": self._uid + _UIDS_NEEDED < self._uid_end}
        self._send_report(report, request.value if report["status"] == "passed" else b"")

    def _hear_of_ended(self, request: Request) -> None:
        """A process that ended by itself may be gone before the zygote's account of it was read: read it."""
        until = time.monotonic() + _ACCOUNT_WITHIN_S
        while any(process.unaccounted for process in request.processes):
            if not select.select([self._zygote], [], [], max(until - time.monotonic(), 0))[0]:
                return
            self._on_zygote()

    def _send_report(self, report: dict[str, Any], value: bytes) -> None:
        try:
            self.to_host(report, value)
        except frames.FrameError as error:
            less = {"stdout": "", "stderr": "", "tests": []}
            self.to_host({**report, **less, "status": "failed", "reason": "too-big", "message": str(error)})

    def _die(self, why: str) -> NoReturn:
        """Nothing sensible can follow: end the container, which the host sees as lost."""
        print(f"runner: {why}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    main()
