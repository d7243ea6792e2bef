"""The zygote: a process forked before any request is read, from which all request processes fork warm.

It holds the preloaded modules and nothing of any request: payloads, tests among them, go straight
from the runner to the child over a socket whose one end passes through here. So nothing a child
could find in its own memory came from another request.

Runner and zygote speak JSON datagrams over a SOCK_SEQPACKET pair:
    runner → zygote   {"key", "role", "uid", "limits"} with the child's descriptors attached
    zygote → runner   {"spawned": key, "pid"} · {"failed": key, "error"}
                      {"exited": key, "status", "cpu_ms", "rss_kb"}
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
import types
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

from . import call, checker, child, frames, linux, program, rehearsal, resident, solution
from .process import receive_fds

# Imported before the first fork, so that a child finds its role loaded.
ROLES = {
    "call": call.run,
    "checker": checker.run,
    "program": program.run,
    "resident": resident.run,
    "solution": solution.run,
}
_SPARES = 4  # twice what a split check needs
_IDLE_S = 2.0  # without an order this long, the spares are let go: they are a third of the memory
_QUIET_MS = 1  # without work this long, a spare is made
# What generated code and its tests import most; a child finds them loaded. Each costs memory once
# per container, so unittest and friends (few checks need them) stay out.
_PRELOADED = """
    asyncio bisect collections copy dataclasses datetime decimal enum fractions functools heapq
    itertools json linecache math operator random re statistics string time traceback types typing
"""


class _Sources:
    """Finds and loads modules in memory: the trusted sources the host handed over at start.

    Written without `importlib.abc`, which brings 20 modules and a megabyte into every container.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = dict(sources)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        package = any(name.startswith(fullname + ".") for name in self.sources)
        if fullname not in self.sources and not package:
            return None
        loader: Any = self  # a loader by what it does, not by its base class
        spec = ModuleSpec(fullname, loader, origin=self._filename(fullname), is_package=package)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The default will do."""

    def exec_module(self, module: types.ModuleType) -> None:
        source = self.get_source(module.__name__)
        code = compile(source, self._filename(module.__name__), "exec", dont_inherit=True)
        exec(code, module.__dict__)

    def get_source(self, fullname: str) -> str:
        """For tracebacks."""
        return self.sources.get(fullname, "")

    @staticmethod
    def _filename(fullname: str) -> str:
        return fullname.replace(".", "/") + ".py"


def preload(sources: Mapping[str, str]) -> str | None:
    """Import what children should find warm. Returns what went wrong, in one line, or None."""
    sys.meta_path.append(_Sources(sources))
    for name in (*_PRELOADED.split(), *sources):
        try:
            importlib.import_module(name)
        except Exception as error:  # a module of the host's: whatever it raised is reported to the host
            return f"guest module {name!r}: {type(error).__name__}: {error}"
    return None


def launch(own_uids: bool, leave: Callable[[], None]) -> tuple[socket.socket, int]:
    """Fork the zygote; returns our line to it and its pid. `leave`, run in it, drops what it may not have."""
    rehearsal.rehearse()
    # All that both processes use is loaded by now and frozen: neither imports nor the collector will
    # write to the pages they share.
    gc.collect()
    gc.freeze()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        leave()
        serve(theirs, own_uids)
    theirs.close()
    return ours, pid


def serve(sock: socket.socket, own_uids: bool) -> NoReturn:
    """Spawn children and report their ends until the runner closes `sock`."""
    linux.hide()
    wakeup, signalled = os.pipe()
    for fd in (wakeup, signalled):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    if own_uids:
        os.setgroups([])
    child.once()
    # Without uids of their own, spares could not be told from a request's leftovers.
    nursery = _Nursery((sock.fileno(), wakeup, signalled), own_uids, _SPARES if own_uids else 0)
    keys: dict[int, str] = {}
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        events = poll.poll(nursery.patience_ms)
        ready = {fd for fd, _ in events}
        if wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
        _report_exits(sock, keys, nursery)
        if sock.fileno() in ready:
            data, fds = receive_fds(sock)
            if not data:
                os._exit(0)
            _spawn(sock, data, fds, keys, nursery)
        elif not events:
            nursery.on_quiet()


class _Nursery:
    """Where children are born: on demand, or ahead of it while nothing else happens.

    A spare is a fork that has done all that does not depend on the request; it waits on a socket of
    its own for the order. What a child may not have of its siblings and of us is closed in it first:
    with a sibling's socket it could give orders.
    """

    def __init__(self, private: tuple[int, ...], own_uids: bool, count: int) -> None:
        self._private = private
        self._own_uids = own_uids
        self._count = count
        self._spares: dict[int, tuple[str, socket.socket]] = {}  # pid → what it warmed up for, our end
        self._pause_until = 0.0
        self._busy_until = time.monotonic() + _IDLE_S
        # Roles asked for: a container mostly gets one kind of request.
        self._latest = ("call",) * min(count, 2)

    @property
    def patience_ms(self) -> int | None:
        """How long to wait for something to happen before `on_quiet`."""
        if time.monotonic() >= self._busy_until:
            return None if not self._spares else 0
        wants_more = self._run_out() and time.monotonic() >= self._pause_until
        return _QUIET_MS if wants_more else int(_IDLE_S * 1000)

    def _missing(self) -> list[str]:
        """The roles that a request like the last one would find no spare for."""
        missing: list[str] = list(self._latest)
        for role, _ in self._spares.values():
            if role in missing:
                missing.remove(role)
        return missing

    def _run_out(self) -> bool:
        """Whether a role that was asked for lately has no spare left.

        No sooner, and then all in one go: after a fork, each page we write to is copied once, however many
        forks it were.
        """
        return not {role for role, _ in self._spares.values()}.issuperset(self._latest)

    def on_quiet(self) -> None:
        """Make spares between two orders, or let them go where no order follows."""
        wanted = self._missing() if time.monotonic() < self._busy_until else None
        if wanted is None or len(self._spares) + len(wanted) > self._count:
            for _, sock in self._spares.values():
                sock.close()  # on which it ends
            self._spares.clear()
        for role in wanted or ():
            if time.monotonic() >= self._pause_until:
                self._add_spare(role)

    def _add_spare(self, role: str) -> None:
        """Fork one ahead; where that fails (process limit), not again for a while."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = linux.fork()
        except OSError:
            self._pause_until = time.monotonic() + 0.1
            ours.close()
            theirs.close()
            return
        if pid == 0:
            ours.close()
            self._leave()
            child.detach()
            if role != "solution":  # for one that runs little code it costs more than it saves
                child.warm(role)
            if role == "call":
                call.warm()
            data, fds = receive_fds(theirs)
            theirs.close()
            if not data:
                os._exit(0)
            self._become(frames.parse(data), fds)
        theirs.close()
        self._spares[pid] = role, ours

    def spawn(self, order: dict[str, Any], data: bytes, fds: list[int]) -> int:
        """The pid of a child that serves `order`, which is `data`. Raises OSError where none can be made."""
        role = order["role"]
        if self._count and role != "resident":  # of which there is one, which stays
            self._latest = (*self._latest, role)[-self._count :]
        self._busy_until = time.monotonic() + _IDLE_S
        for pid, (warmed_for, sock) in list(self._spares.items()):
            if warmed_for == role:
                del self._spares[pid]
                with sock, contextlib.suppress(OSError):  # it may have been killed for memory
                    socket.send_fds(sock, [data], fds)
                    return pid
        pid = linux.fork()
        if pid == 0:
            self._leave()
            child.detach()
            self._become(order, fds)
        return pid

    def gone(self, pid: int) -> None:
        """A child that served nothing ended."""
        spare = self._spares.pop(pid, None)
        if spare is not None:
            spare[1].close()

    def _leave(self) -> None:
        signal.set_wakeup_fd(-1)
        for _, sock in self._spares.values():
            sock.close()
        for fd in self._private:
            os.close(fd)

    def _become(self, order: dict[str, Any], fds: list[int]) -> NoReturn:
        child.main(ROLES[order["role"]], order, fds, self._own_uids)


def _spawn(sock: socket.socket, data: bytes, fds: list[int], keys: dict[int, str], nursery: _Nursery) -> None:
    order = frames.parse(data)
    key = order["key"]
    try:
        pid = nursery.spawn(order, data, fds)
    except OSError as error:
        _send(sock, {"failed": key, "error": f"fork: {error.strerror}"})
    else:
        keys[pid] = key
        _send(sock, {"spawned": key, "pid": pid})
    finally:
        for fd in fds:
            os.close(fd)


def _report_exits(sock: socket.socket, keys: dict[int, str], nursery: _Nursery) -> None:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        key = keys.pop(pid, None)
        if key is None:
            nursery.gone(pid)
            continue
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        code = os.waitstatus_to_exitcode(status)
        _send(sock, {"exited": key, "status": code, "cpu_ms": cpu_ms, "rss_kb": usage.ru_maxrss})


def _send(sock: socket.socket, message: dict[str, Any]) -> None:
    sock.send(frames.encode(message).encode())
