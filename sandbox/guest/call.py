"""Role `call`: a function of a preloaded guest module, with the host one await away."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
from typing import Any

from . import child, codec, frames, messages, values

_loops: list[asyncio.AbstractEventLoop] = []  # at most one, made before the request is known


class HostError(Exception):
    """The host refused a call; `kind` says why (budget, cancelled, model, usage, …)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Host:
    """The guest's view of the host. `call` may run many times at once, as under asyncio.gather."""

    Error = HostError

    def __init__(self, sock: socket.socket, max_bytes: int) -> None:
        self._sock = sock
        self._max = max_bytes
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self._sending = asyncio.Lock()

    async def call(self, method: str, **kwargs: Any) -> Any:
        """Ask the host for `method`.

        Raises:
            HostError: the host refused.
            ValueError: an argument is not plain data or too big.
        """
        arguments = values.dumps(
            kwargs, max_bytes=min(self._max, messages.MAX_ARGUMENTS), max_parts=messages.MAX_ARGUMENT_PARTS
        )
        number = self._next
        self._next += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            await self.send({"op": "callback", "call": number, "method": str(method)}, arguments)
            return await future
        finally:
            self._pending.pop(number, None)

    async def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        data = frames.pack(head, body)
        async with self._sending:  # frames must not interleave
            await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def listen(self) -> None:
        """Hand replies to their waiters until the runner closes the socket."""
        loop = asyncio.get_running_loop()
        splitter = frames.Splitter()
        while data := await loop.sock_recv(self._sock, 1 << 18):
            splitter.feed(data)
            while frame := splitter.next():
                self._deliver(*frame)

    def _deliver(self, message: dict[str, Any], body: bytes) -> None:
        future = self._pending.get(message["call"])
        if future is None or future.done():
            return
        if "error" in message:
            kind, text = message["error"]
            future.set_exception(HostError(str(kind), str(text)))
        else:
            future.set_result(values.loads(body, max_parts=frames.MAX_FRAME))


def warm() -> None:
    """Make the event loop ahead of the request."""
    _loops.append(asyncio.new_event_loop())


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    loop = _loops.pop() if _loops else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(_run(payload, socket.socket(fileno=os.dup(control.fd))))
    child.linger(control)


async def _run(payload: dict[str, Any], sock: socket.socket) -> None:
    sock.setblocking(False)
    max_bytes = int(payload["result_bytes"])
    host = Host(sock, max_bytes)
    listener = asyncio.ensure_future(host.listen())
    try:
        module, _, name = payload["entry"].partition(":")
        function = getattr(importlib.import_module(module), name)
        value = await function(host, codec.decode(payload["args"]))
        result = encoded(value, max_bytes)
    except BaseException as error:  # the edge of the process: every end of the call is reported
        child.print_traceback(error)
        result = failure(error)
    child.flush()
    listener.cancel()
    await host.send(*result)


def encoded(value: Any, max_bytes: int) -> frames.Frame:
    """The final frame for `value`, or for why it cannot be passed on."""
    try:
        return frames.Frame({"op": "value"}, values.dumps(value, max_bytes=max_bytes))
    except codec.TooBigError as error:
        return failed("too-big", str(error))
    except codec.NotPlainError as error:
        return failed("not-plain-data", str(error))


def failure(error: BaseException, reason: str = "exception") -> frames.Frame:
    """The final frame for an exception."""
    return failed(reason, child.describe(error), "oom" if isinstance(error, MemoryError) else "failed")


def failed(reason: str, message: str, kind: str = "failed") -> frames.Frame:
    """The final frame of what gave no value."""
    return frames.Frame({"op": kind, "reason": reason, "message": message}, b"")
