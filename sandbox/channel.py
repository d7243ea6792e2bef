"""The host's end of the wire to one runner: many requests at once, callbacks, cancellation, loss."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from sandbox.guest import codec, frames
from sandbox.guest.files import MAX_FILES
from sandbox.types import Callback, CallbackError, SandboxError

READY_WITHIN_S = 30.0
LATE_S = 10.0  # past a request's wall limit, after which the runner itself is taken for lost
PROBE_WITHIN_S = 5.0


class Transport(Protocol):
    """A byte stream to a runner, and the container behind it."""

    container_id: str

    async def read(self) -> bytes:
        """Bytes of the runner's stdout; empty at its end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send to the runner's stdin. Raises OSError when it is gone."""
        ...

    async def state(self) -> str:
        """ "running", "paused", or what is known of how it ended, for messages."""
        ...

    async def kill(self) -> None:
        """Remove the container and everything in it. Never raises; safe to call twice."""
        ...


class _Pending:
    """One request on its way."""

    def __init__(self, callback: Callback | None) -> None:
        self.future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.callback = callback
        self.calls: set[asyncio.Task[None]] = set()
        self.files: list[dict[str, Any]] = []

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Channel:
    """Speaks frames over a transport. After the stream ends every request fails with `container-lost`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.dirty = False  # the runner could not clean up after a request
        self._pending: dict[str, _Pending] = {}
        self._lost: SandboxError | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def open(self, init: Mapping[str, Any]) -> dict[str, Any]:
        """Start the runner; returns what it says of itself.

        Raises:
            SandboxError: it did not answer, or a guest module does not import.
        """
        self._reader = asyncio.create_task(self._read())
        await self._send({"t": "init", **init})
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                ready = await self._ready
        except TimeoutError:
            raise SandboxError(
                "container-lost", f"the runner did not start in {READY_WITHIN_S:g} s"
            ) from None
        if ready.get("problem"):
            raise SandboxError("protocol", str(ready["problem"])[:2000])
        return ready

    @property
    def lost(self) -> bool:
        return self._lost is not None

    async def request(
        self,
        body: Mapping[str, Any],
        limits: Mapping[str, Any],
        callback: Callback | None = None,
    ) -> dict[str, Any]:
        """Run one request; returns the runner's report. Cancelling kills its processes.

        Raises:
            SandboxError: the container is lost or stalled, or the request is too big to send.
        """
        name = secrets.token_hex(16)
        pending = _Pending(callback)
        self._pending[name] = pending
        try:
            await self._send({"t": "run", "id": name, "body": dict(body), "limits": dict(limits)})
            async with asyncio.timeout(float(limits["wall_s"]) * 2 + LATE_S):
                return await pending.future
        except TimeoutError:
            raise await self._stalled() from None
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(name))
            raise
        finally:
            del self._pending[name]
            for task in pending.calls:
                task.cancel()

    async def probe(self) -> str | None:
        """What is not as in a fresh container; None when all is well."""
        name = secrets.token_hex(16)
        pending = _Pending(None)
        self._pending[name] = pending
        try:
            await self._send({"t": "probe", "id": name})
            async with asyncio.timeout(PROBE_WITHIN_S):
                return (await pending.future).get("problem")
        except (TimeoutError, SandboxError) as error:
            return str(error) or "the runner does not answer"
        finally:
            del self._pending[name]

    async def close(self) -> None:
        """Kill the container; requests still open fail."""
        if self._reader is not None:
            self._reader.cancel()
        self._fail(SandboxError("container-lost", "the sandbox was closed"))
        await self.transport.kill()

    async def _kill(self, name: str) -> None:
        with contextlib.suppress(SandboxError):
            await self._send({"t": "kill", "id": name})

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self._lost is not None:
            raise self._lost
        try:
            data = frames.pack(dict(message))
        except frames.FrameError as error:
            raise SandboxError("protocol", f"the request is too big to send: {error}") from None
        try:
            await self.transport.write(data)
        except (OSError, RuntimeError):
            raise await self._gone() from None

    async def _read(self) -> None:
        splitter = frames.Splitter()
        try:
            while data := await self.transport.read():
                for message in splitter.feed(data):
                    self._on_message(message)
        except (OSError, frames.FrameError, KeyError, TypeError) as error:
            self._fail(SandboxError("protocol", f"the runner broke the protocol: {error}"))
            return
        self._fail(await self._gone())

    def _on_message(self, message: dict[str, Any]) -> None:
        kind = message["t"]
        if kind == "ready":
            if not self._ready.done():
                self._ready.set_result(message)
            return
        if kind == "dirty":
            self.dirty = True
            return
        pending = self._pending.get(message["id"])
        if pending is None:
            return  # its request was cancelled
        if kind == "callback":
            task = asyncio.create_task(self._answer(message, pending))
            pending.calls.add(task)
            task.add_done_callback(pending.calls.discard)
        elif kind == "file":
            if len(pending.files) > MAX_FILES:
                raise TypeError("more files than were asked for")
            pending.files.append(message)
        elif not pending.future.done():
            pending.future.set_result({**message, "files": pending.files})

    async def _answer(self, message: dict[str, Any], pending: _Pending) -> None:
        reply: dict[str, Any] = {"t": "reply", "id": message["id"], "call": message["call"]}
        try:
            reply.update(await self._result(message, pending.callback))
            await self._send(reply)
        except Exception as error:  # noqa: BLE001 - a bug in the host's callback, or a lost container:
            pending.fail(error)  # either belongs to whoever made the request

    async def _result(self, message: dict[str, Any], callback: Callback | None) -> dict[str, Any]:
        if callback is None:
            return {"error": ["usage", "this request may not call the host"]}
        try:
            arguments = codec.decode(message["args"])
            if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
                raise codec.MalformedError("arguments must have names")
        except codec.MalformedError as error:
            return {"error": ["usage", f"bad arguments: {error}"]}
        try:
            value = await callback(str(message["method"]), arguments)
        except CallbackError as error:
            return {"error": [error.kind, str(error)]}
        return {"value": codec.encode(value, max_bytes=frames.MAX_FRAME // 2)}

    async def _gone(self) -> SandboxError:
        state = await self.transport.state()
        return SandboxError("container-lost", f"the container ended while it was needed ({state})")

    async def _stalled(self) -> SandboxError:
        state = await self.transport.state()
        if state == "paused":
            return SandboxError("paused", "the container is paused; unpause or remove it and run again")
        return SandboxError("container-lost", f"the container does not answer ({state})")

    def _fail(self, error: SandboxError) -> None:
        self._lost = self._lost or error
        for pending in self._pending.values():
            pending.fail(error)
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # retrieved here: nobody may be waiting for it any more
