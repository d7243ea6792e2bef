"""The host's end of the wire to one runner: many requests at once, callbacks, cancellation, loss."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.guest import codec, frames
from sandbox.guest.files import MAX_FILES
from sandbox.types import Callback, CallbackError, SandboxError

READY_WITHIN_S = 30.0
LATE_S = 10.0  # past a request's wall limit
LOOK_EVERY_S = 3.0  # at the container of a request that has no answer yet
PROBE_WITHIN_S = 5.0


@dataclass(frozen=True)
class State:
    """What is known of a container, for messages."""

    status: str  # "running", "paused", or how it ended
    out_of_memory: bool = False
    said: str = ""  # the end of what its runner wrote on stderr

    def __str__(self) -> str:
        memory = ", killed for memory" if self.out_of_memory else ""
        return f"{self.status}{memory}{f': {self.said}' if self.said else ''}"


class Transport(Protocol):
    """A byte stream to a runner, and the container behind it."""

    container_id: str

    async def read(self) -> bytes:
        """Bytes of the runner's stdout; empty at its end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send to the runner's stdin. Raises OSError when it is gone."""
        ...

    async def state(self) -> State:
        """How the container is, or ended."""
        ...

    async def kill(self) -> None:
        """Remove the container and everything in it. Never raises; safe to call twice."""
        ...


class _Pending:
    """One request on its way."""

    def __init__(self, callback: Callback | None) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.since = loop.time()
        self.deadline = math.inf  # after which the runner itself is taken for lost
        self.callback = callback
        self.calls: set[asyncio.Task[None]] = set()
        self.files: list[dict[str, Any]] = []
        self.over_budget: str | None = None  # what the callback said when it refused for the budget

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Channel:
    """Speaks frames over a transport. After the stream ends every request fails with `container-lost`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.dirty = False  # the runner could not clean up after a request
        self.on_lost: Callable[[], None] = lambda: None  # told once, when the stream ends or breaks
        self._loop = asyncio.get_running_loop()
        self._pending: dict[str, _Pending] = {}
        self._lost: SandboxError | None = None
        self._reader: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
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
            # Twice, since tests that turn out to need one process are started a second time.
            pending.deadline = self._loop.time() + 2 * float(limits["wall_s"]) + LATE_S
            if self._watcher is None:
                self._watcher = asyncio.create_task(self._watch())
            report = await pending.future
            if pending.over_budget is not None and report["status"] == "failed":
                report.update(status="budget", reason=None, message=pending.over_budget)
            return report
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(name))
            raise
        finally:
            del self._pending[name]
            for task in pending.calls:
                task.cancel()

    async def _watch(self) -> None:
        """Fail requests whose container is paused, or whose runner is long past the time to answer.

        One look serves all that wait: a session's requests may wait for a model for minutes, and a hundred
        sessions must not ask the daemon a hundred times. The runner itself forgives a short pause. One
        that is noticed here ends the request without a verdict, whatever CPU time its code has used: a
        loop shows itself again in the next container.
        """
        while self._pending:
            before = self._loop.time()
            await asyncio.sleep(LOOK_EVERY_S)
            if any(pending.since <= before for pending in self._pending.values()):
                state = await self.transport.state()
                for pending in self._pending.values():
                    self._judge(pending, state)
        self._watcher = None

    def _judge(self, pending: _Pending, state: State) -> None:
        if state.status == "paused":
            pending.fail(
                SandboxError("paused", "the container is paused: unpause or remove it, then run again")
            )
        elif self._loop.time() > pending.deadline:
            why = f"the container does not answer ({state}): is this machine overloaded?"
            pending.fail(SandboxError("container-lost", why))

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
        for task in (self._reader, self._watcher):
            if task is not None:
                task.cancel()
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
            reply.update(await self._result(message, pending))
            await self._send(reply)
        except Exception as error:  # noqa: BLE001 - a bug in the host's callback, or a lost container:
            pending.fail(error)  # either belongs to whoever made the request

    async def _result(self, message: dict[str, Any], pending: _Pending) -> dict[str, Any]:
        if pending.callback is None:
            return {"error": ["usage", "this request may not call the host"]}
        try:
            arguments = codec.decode(message["args"])
            if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
                raise codec.MalformedError("arguments must have names")
        except codec.MalformedError as error:
            return {"error": ["usage", f"bad arguments: {error}"]}
        try:
            value = await pending.callback(str(message["method"]), arguments)
        except CallbackError as error:
            if error.kind == "budget":
                pending.over_budget = str(error)
            return {"error": [error.kind, str(error)]}
        return {"value": codec.encode(value, max_bytes=frames.MAX_FRAME // 2)}

    async def _gone(self) -> SandboxError:
        state = await self.transport.state()
        message = f"the container ended while it was needed ({state}); see `flowreasoner doctor`"
        return SandboxError("container-lost", message, out_of_memory=state.out_of_memory)

    def _fail(self, error: SandboxError) -> None:
        first = self._lost is None
        self._lost = self._lost or error
        for pending in self._pending.values():
            pending.fail(error)
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # retrieved here: nobody may be waiting for it any more
        if first:
            self.on_lost()
