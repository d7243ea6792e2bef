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
import types
from collections.abc import Mapping, Sequence
from typing import Any

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


def serve(sock: socket.socket, own_uids: bool) -> None:
    """Spawn children and report their ends until the runner closes `sock`; never returns."""
    linux.hide()
    gc.collect()
    gc.freeze()
    wakeup, signalled = os.pipe()
    for fd in (wakeup, signalled):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    keys: dict[int, str] = {}
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
        _report_exits(sock, keys)
        if sock.fileno() in ready:
            data, fds, _, _ = socket.recv_fds(sock, MAX_DATAGRAM, MAX_FDS)
            if not data:
                os._exit(0)
            _spawn(sock, json.loads(data), fds, keys, (wakeup, signalled), own_uids)


def _spawn(
    sock: socket.socket,
    order: dict[str, Any],
    fds: list[int],
    keys: dict[int, str],
    private: tuple[int, int],
    own_uids: bool,
) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        _send(sock, {"failed": order["key"], "error": f"fork: {error.strerror}"})
        pid = -1
    if pid == 0:
        signal.set_wakeup_fd(-1)
        sock.close()
        for fd in private:
            os.close(fd)
        child.main(ROLES[order["role"]], order, fds, own_uids)  # never returns
    for fd in fds:
        os.close(fd)
    if pid > 0:
        keys[pid] = order["key"]
        _send(sock, {"spawned": order["key"], "pid": pid})


def _report_exits(sock: socket.socket, keys: dict[int, str]) -> None:
    while keys:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        key = keys.pop(pid, None)
        if key is None:
            continue
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        code = os.waitstatus_to_exitcode(status)
        _send(sock, {"exited": key, "status": code, "cpu_ms": cpu_ms, "rss_kb": usage.ru_maxrss})


def _send(sock: socket.socket, message: dict[str, Any]) -> None:
    sock.send(json.dumps(message).encode())
