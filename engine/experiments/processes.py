"""Worker processes on this machine: trials on more than one core, since Python computes on one at a time.

A worker is a process of `engine.experiments.worker_process`, at the other end of a pair of sockets. What
crosses is JSON, each message behind its length; the socket closes when either side ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from flowreasoner import command

from engine.experiments.cluster_error import ClusterError
from engine.experiments.crew import LostWorkerError, Worker, Workers

LENGTH_BYTES = 4
_MODULE = "engine.experiments.worker_process"


class ProcessWorker(Worker):
    """A worker process of this machine."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__()
        self._process, self._writer = process, writer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = asyncio.create_task(self._read(reader))

    async def ask(self, method: str, *args: object) -> Any:
        """As `Worker.ask`."""
        if self._reading is None:
            raise LostWorkerError(f"process {self._process.pid} has ended")
        number = next(self._numbers)
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(packed([number, method, args]))
        try:
            return await reply
        finally:
            self._waiting.pop(number, None)

    def kill(self) -> None:
        """End it at once; safe to call twice."""
        self._writer.close()
        self._process.kill()
        # Waited for in a thread, since only the parent can reap it; a killed process does not take long.
        asyncio.get_running_loop().run_in_executor(None, self._process.wait)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out replies until the process ends."""
        try:
            while True:
                number, value, failure = await unpacked(reader)
                reply = self._waiting.get(number)
                if reply is None or reply.done():
                    continue
                if failure is None:
                    reply.set_result(value)
                else:
                    reply.set_exception(ClusterError(f"a worker process failed ({failure})"))
        except (EOFError, OSError):
            pass
        finally:
            self._reading = None
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(LostWorkerError(f"process {self._process.pid} ended"))


class Processes(Workers[ProcessWorker]):
    """So many worker processes."""

    what = "worker process"

    def __init__(
        self,
        count: int,
        concurrency: int,
        models: Sequence[tuple[str, str]],
        report: Callable[[str], object],
        *,
        unsafe_local: bool = False,
    ) -> None:
        """As `Workers`. An endpoint's limit of calls at once is divided among the `count` processes."""
        super().__init__(concurrency, models, report)
        self._count, self._unsafe_local = count, unsafe_local

    async def _room(self) -> int:
        return self._count

    async def _start(self, seats: int) -> ProcessWorker:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        with theirs:
            return ProcessWorker(self._spawn(theirs.fileno()), *streams)

    def _spawn(self, fd: int) -> subprocess.Popen[bytes]:
        share = min(self._count, self._concurrency)
        options = {"fd": fd, "share": share, "unsafe_local": self._unsafe_local}
        # In a session of its own: a Ctrl-C is for this process, which ends its workers in order.
        return subprocess.Popen(
            command(_MODULE, json.dumps(options)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(fd,),
            start_new_session=True,
        )


def packed(message: Any) -> bytes:
    """A message as it crosses."""
    data = json.dumps(message).encode()
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


async def unpacked(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises EOFError where the other side has ended, OSError where it was killed."""
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    return json.loads(await reader.readexactly(length))
