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
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
import types
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from . import call, checker, child, inprocess, linux, program, solution

# Imported before the first fork, so that a child finds its role loaded.
ROLES = {
    "call": call.run,
    "checker": checker.run,
    "inprocess": inprocess.run,
    "program": program.run,
    "solution": solution.run,
}
MAX_DATAGRAM = 64 << 10
MAX_FDS = 8
_SPARES = 2  # what a split check needs
_QUIET_MS = 1  # without work this long, a spare is made
# What generated code and its tests import most; a child finds them loaded. Each costs memory once
# per container, so unittest and friends (only the in-process role needs them) stay out.
_PRELOADED = """
    asyncio bisect collections copy dataclasses datetime decimal enum fractions functools heapq
    itertools json linecache math operator random re statistics string time traceback types typing
"""


class _Sources(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """Finds modules in memory: the trusted sources the host handed over at start."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = dict(sources)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = any(name.startswith(fullname + ".") for name in self.sources)
        if fullname not in self.sources and not package:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=package)

    def get_source(self, fullname: str) -> str:
        return self.sources.get(fullname, "")

    def get_filename(self, fullname: str) -> str:
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


def serve(sock: socket.socket, own_uids: bool) -> NoReturn:
    """Spawn children and report their ends until the runner closes `sock`."""
    linux.hide()
    gc.collect()
    gc.freeze()
    wakeup, signalled = os.pipe()
    for fd in (wakeup, signalled):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    # Without uids of their own, spares could not be told from a request's leftovers.
    nursery = _Nursery((sock.fileno(), wakeup, signalled), own_uids, _SPARES if own_uids else 0)
    keys: dict[int, str] = {}
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        events = poll.poll(_QUIET_MS if nursery.wants_more else None)
        ready = {fd for fd, _ in events}
        if wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
        _report_exits(sock, keys, nursery)
        if sock.fileno() in ready:
            data, fds, _, _ = socket.recv_fds(sock, MAX_DATAGRAM, MAX_FDS)
            if not data:
                os._exit(0)
            _spawn(sock, data, fds, keys, nursery)
        elif not events:
            nursery.add_spare()


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
        self._spares: dict[int, socket.socket] = {}  # pid → our end
        self._pause_until = 0.0
        self._calls = True  # whether the last order was a call: a container mostly gets one kind

    @property
    def wants_more(self) -> bool:
        return len(self._spares) < self._count and time.monotonic() >= self._pause_until

    def add_spare(self) -> None:
        """Fork one ahead; where that fails (process limit), not again for a while."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:
            self._pause_until = time.monotonic() + 0.1
            ours.close()
            theirs.close()
            return
        if pid == 0:
            ours.close()
            self._leave()
            child.prepare(with_loop=self._calls)
            data, fds, _, _ = socket.recv_fds(theirs, MAX_DATAGRAM, MAX_FDS)
            theirs.close()
            if not data:
                os._exit(0)
            self._become(data, fds)
        theirs.close()
        self._spares[pid] = ours

    def spawn(self, role: str, data: bytes, fds: list[int]) -> int:
        """The pid of a child that serves the order in `data`. Raises OSError where none can be made."""
        self._calls = role == "call"
        while self._spares:
            pid, sock = self._spares.popitem()
            with sock, contextlib.suppress(OSError):  # it may have been killed for memory
                socket.send_fds(sock, [data], fds)
                return pid
        pid = os.fork()
        if pid == 0:
            self._leave()
            child.prepare(with_loop=self._calls)
            self._become(data, fds)
        return pid

    def gone(self, pid: int) -> None:
        """A child that served nothing ended."""
        sock = self._spares.pop(pid, None)
        if sock is not None:
            sock.close()

    def _leave(self) -> None:
        signal.set_wakeup_fd(-1)
        for sock in self._spares.values():
            sock.close()
        for fd in self._private:
            os.close(fd)

    def _become(self, data: bytes, fds: list[int]) -> NoReturn:
        order = json.loads(data)
        child.main(ROLES[order["role"]], order, fds, self._own_uids)


def _spawn(sock: socket.socket, data: bytes, fds: list[int], keys: dict[int, str], nursery: _Nursery) -> None:
    order = json.loads(data)
    key = order["key"]
    try:
        pid = nursery.spawn(order["role"], data, fds)
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
    sock.send(json.dumps(message).encode())
