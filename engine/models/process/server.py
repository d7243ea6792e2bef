"""The program that has one model: it serves all who connect, and ends when nobody has for a while.

python -P …/flowreasoner.py engine.models.process.server NAME SOURCE DEVICE SOCKET
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.models.base import Message, ModelError
from engine.models.local import LocalModel
from engine.models.process.wire import MAX_LINE, item_to_json, receive, sampling_from_json, send

IDLE_S = 60.0  # without a connection; what is started again meanwhile finds the model loaded
_EXPENDABLE = "500"  # of 1000: where memory runs out the kernel ends this process, not those that use it


class _Server:
    def __init__(self, name: str, source: str, device: str) -> None:
        self._name, self._source, self._device = name, source, device
        self._model = LocalModel(name, source, device=device)  # keeps the weights while nobody is connected
        self._connections: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._closing = False

    async def serve(self, listening: socket.socket, idle_s: float) -> None:
        """Serve until nobody has been connected for `idle_s` seconds."""
        server = await asyncio.start_unix_server(self._connected, sock=listening, limit=MAX_LINE)
        async with server:
            loading = asyncio.create_task(self._model.load())
            while True:
                self._changed.clear()
                if self._connections:
                    await self._changed.wait()
                    continue
                try:
                    await asyncio.wait_for(self._changed.wait(), idle_s)
                except TimeoutError:
                    self._closing = not self._connections
                    if self._closing:
                        break
        loading.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:  # whoever gets no word here looks for another process
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._changed.set()
        asked: dict[int, asyncio.Task[None]] = {}
        telling = asyncio.create_task(self._tell_when_ready(writer))
        try:
            send(writer, {"hello": os.getpid()})
            while (message := await receive(reader)) is not None:
                if "drop" in message:
                    if (dropped := asked.pop(message["drop"], None)) is not None:
                        dropped.cancel()
                else:
                    number = message["ask"]
                    asked[number] = asyncio.create_task(self._answer(number, message, writer))
                    asked[number].add_done_callback(lambda _, number=number: asked.pop(number, None))
        finally:
            for open_task in (telling, *asked.values()):
                open_task.cancel()
            writer.close()
            self._connections.discard(task)
            self._changed.set()

    async def _tell_when_ready(self, writer: asyncio.StreamWriter) -> None:
        send(writer, {"ready": await self._model.load()})

    async def _answer(self, number: int, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        messages: Sequence[Message] = message["messages"]
        stream = self._model.stream(messages, sampling_from_json(message["sampling"]))
        async with contextlib.aclosing(stream) as items:
            try:
                async for item in items:
                    send(writer, {"ask": number, **item_to_json(item)})
                    await writer.drain()
            except ModelError as error:
                send(writer, {"ask": number, **item_to_json(error)})
            except ConnectionError:
                return  # whoever asked is gone


def _listening(path: Path) -> socket.socket:
    """A listening socket of mode 0600. Raises OSError."""
    path.unlink(missing_ok=True)  # of an earlier process
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # never connectable by others, not even for a moment
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen()
    listening.setblocking(False)
    return listening


def _main(name: str, source: str, device: str, socket_path: str) -> int:
    path = Path(socket_path)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another process has the model
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_EXPENDABLE, "ascii")
    try:
        listening = _listening(path)
    except OSError as error:
        why = error.strerror or error
        sys.stderr.write(f"its socket cannot be made ({why}), set XDG_RUNTIME_DIR to a short path: {path}\n")
        return 1
    try:
        asyncio.run(_Server(name, source, device).serve(listening, IDLE_S))
    finally:
        for suffix in (".sock", ".log"):
            path.with_suffix(suffix).unlink(missing_ok=True)
    # At once: the thread of the weights is a daemon, and nothing is left to be saved.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
