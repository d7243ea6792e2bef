"""The real command without its start: processes forked from one that has imported everything.

Each is a process of its own, with its arguments, environment, folder, streams and exit code, that runs what
the `flowreasoner` script runs and ends as the interpreter ends. Only the imports are left out. What is about
the start itself (`PYTHON...` variables, signals at any moment, what is imported) needs the script.

This file is both ends: tests import `CommandServer`, which starts the file as a script.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# What commands import when they are called: whole packages of ours, and what else is loaded late.
OURS = (
    "tui.commands",
    "tui.headless",
    "tui.reports",
    "tui.service",
    "store.compare",
    "store",
    "engine.models",
)
OTHERS = (
    *("engine.config", "engine.benchmarks", "engine.experiments.contestants", "engine.guest_modules"),
    *("engine.failures.findings", "engine.failures.special_cases", "engine.variants.spec"),
    *("sandbox.sandboxes", "sandbox.inspection", "sandbox.remedies"),
    *(
        "aiohttp",
        "anyio._backends._asyncio",
        "charset_normalizer",
        "docker",
        "genai_prices.data",
        "httpcore2",
    ),
    *("httpx2", "openai.resources.chat.completions.completions", "pydantic_settings", "zstandard"),
)
# Models that run in this process: torch takes longer than all the rest, and triples what a fork costs.
LEFT_OUT = "engine.models.local."
# What takes long and few commands need, by the first word of those: imported when the first of them comes.
IN_TIME = {"compare": "numpy", "dataset": "pandas"}
MAX_REQUEST = 1 << 20


class CommandServer:
    """Forks commands until it is closed, or until this process is gone."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._path = folder / "commands"
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(self._path)],
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},  # it is to stay without threads
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self._process.communicate()

    async def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        stdin: bytes = b"",
        stdout: int | None = None,
    ) -> Running:
        """The command, running, with its input on its way; `stdout` is a descriptor for what it prints."""
        pipes = [os.pipe() for _ in range(3)]
        (stdin_read, stdin_write), (out_read, out_write), (err_read, err_write) = pipes
        if stdout is not None:
            os.dup2(stdout, out_write)
        theirs = (stdin_read, out_write, err_write)
        request = json.dumps(
            {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        )
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._path))
            socket.send_fds(connection, [request.encode() + b"\n"], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        answer, line = await asyncio.open_unix_connection(sock=connection)
        await _write(stdin_write, stdin)
        return Running(
            int(await answer.readline()), await _reader(out_read), await _reader(err_read), answer, line
        )


class Running(asyncio.subprocess.Process):
    """A forked command, for whoever would have started it with asyncio."""

    def __init__(
        self,
        pid: int,
        out: asyncio.StreamReader,
        err: asyncio.StreamReader,
        answer: asyncio.StreamReader,
        line: asyncio.StreamWriter,
    ) -> None:
        self.pid, self.stdin, self.stdout, self.stderr = pid, None, out, err
        self._ended = asyncio.ensure_future(_code(answer, line))

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)  # who is cancelled may be one of several that wait

    async def communicate(self, input: bytes | bytearray | memoryview | None = None) -> tuple[bytes, bytes]:
        assert self.stdout and self.stderr and not input
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err

    def send_signal(self, signal: int) -> None:
        if self._ended.done():
            raise ProcessLookupError
        os.kill(self.pid, signal)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def _code(answer: asyncio.StreamReader, line: asyncio.StreamWriter) -> int:
    try:
        return int(await answer.readline())
    finally:
        line.close()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader


async def _write(descriptor: int, data: bytes) -> None:
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(
        asyncio.BaseProtocol, os.fdopen(descriptor, "wb", 0)
    )
    transport.write(data)
    transport.close()  # once all is written


# -- the server --------------------------------------------------------------------------------------------


def _preload() -> None:
    from typer.main import get_command

    from tui import cli

    # Typer builds all commands anew in each call, which takes longer than most of them do.
    cli.app = get_command(cli.app)  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("flowreasoner", *OURS, *OTHERS):
        package = import_module(name)
        if name in OURS:
            for module in pkgutil.walk_packages(package.__path__, f"{name}."):
                if not module.name.endswith("__main__") and not module.name.startswith(LEFT_OUT):
                    import_module(module.name)
    _ready_to_fork()


def _ready_to_fork() -> None:
    # Allocators' own threads do no harm: they see to forks themselves.
    assert threading.active_count() == 1, "a process with threads cannot be forked safely"
    gc.collect()
    gc.freeze()


def _import_in_time(arguments: Sequence[str]) -> None:
    module = IN_TIME.get(arguments[0]) if arguments else None
    if module is not None and module not in sys.modules:
        import_module(module)
        _ready_to_fork()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
    while not data.endswith(b"\n") and (more := connection.recv(MAX_REQUEST)):
        data += more
    return json.loads(data), descriptors


def _become(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Make this process, just forked, what `exec` would have made of it.

    Python's own streams need nothing: they are of the numbers 0 to 2, and nothing has gone through them yet.
    """
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = [str(Path(sys.executable).with_name("flowreasoner")), *request["arguments"]]


def _serve(path: str) -> None:
    """Fork for each request; returns in the forked processes only."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        os.write(1, b"ready\n")
        while True:
            for key, _ in selector.select():
                if key.fd == 0:  # the tests are over
                    sys.exit()
                if key.fileobj is not listener:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    pid, connection = running.pop(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with connection, suppress(BrokenPipeError):  # a test that was cancelled asks no more
                        connection.sendall(b"%d\n" % code)
                    continue
                connection, _ = listener.accept()
                request, descriptors = _receive(connection)
                _import_in_time(request["arguments"])
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    for open_one in (listener, connection, *(other for _, other in running.values())):
                        open_one.close()
                    for process in running:
                        os.close(process)
                    _become(request, descriptors)
                    return
                for descriptor in descriptors:
                    os.close(descriptor)
                process = os.pidfd_open(pid)
                with suppress(BrokenPipeError):
                    connection.sendall(b"%d\n" % pid)
                running[process] = pid, connection
                selector.register(process, selectors.EVENT_READ)


def _run() -> None:
    """Run the command and end as the interpreter does, but free no memory: it is shared with the server."""
    from flowreasoner import main

    code = None
    try:
        main()
    except SystemExit as end:
        code = end.code
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader is gone, or the command has closed it
            code = code or 120
    assert code is None or isinstance(code, int)
    os._exit(code or 0)


if __name__ == "__main__":
    _preload()
    _serve(sys.argv[1])
    _run()
