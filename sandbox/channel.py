"""The host's end of the wire to one runner: many requests at once, callbacks, cancellation, loss."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox import starting
from sandbox.cpu import container_cpu_s
from sandbox.guest import codec, fairness, frames, messages, values
from sandbox.guest.files import MAX_FILES
from sandbox.guest.schema import Names, SchemaError
from sandbox.starting import Start
from sandbox.types import Callback, CallbackError, SandboxError

LATE_S = 10.0  # how long past its last possible end a request is waited for
LOOK_EVERY_S = 3.0  # between looks at the container of a request that has no answer yet
PROBE_WITHIN_S = 5.0
_MAX_REPLY = frames.MAX_FRAME // 2
_MAX_MESSAGE = messages.MAX_MESSAGE
_ARGUMENTS = Names(100)
_BROKEN = "the runner broke the protocol"
_OUT_OF_REACH = ("container-lost", "paused")


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


@dataclass(frozen=True)
class Report:
    """How a request ended, as its runner tells it: the frame's head, the value's bytes, the files."""

    head: dict[str, Any]
    value: bytes = b""
    files: tuple[tuple[str, bytes, str | None], ...] = ()


class _Pending:
    """One request on its way; `answer` is the kind of frame that ends it."""

    def __init__(self, callback: Callback | None, answer: str = "done") -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Report] = loop.create_future()
        self.since = loop.time()
        self.deadline = math.inf  # after which the runner itself is taken for lost
        self.callback = callback
        self.answer = answer
        self.calls: set[asyncio.Task[None]] = set()
        self.last_call = -1
        self.open: set[int] = set()  # calls that have no answer yet
        self.files: list[tuple[str, bytes, str | None]] = []
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
        """Start the runner with the message `init`; returns what it says of itself.

        Raises SandboxError where it does not answer, or a guest module does not import.
        """
        self._reader = asyncio.create_task(self._read())
        await self._send({"t": "init", **init})
        ready = await self._started()
        if ready.get("problem"):
            raise SandboxError("protocol", str(ready["problem"])[:2000])
        return ready

    async def _started(self) -> dict[str, Any]:
        """What the runner says once it is ready. Raises SandboxError where it ends, or does not get ahead."""
        start = Start(self._cpu_s)
        while not (await asyncio.wait({self._ready}, timeout=starting.STILL_S))[0]:
            if waited := start.waited():
                why = f"the runner did not start in {waited} ({await self.transport.state()})"
                raise SandboxError("container-lost", f"{why}: is this machine overloaded?")
        return self._ready.result()

    def _cpu_s(self) -> float | None:
        return container_cpu_s(self.transport.container_id)

    @property
    def lost(self) -> bool:
        """Whether the stream has ended or broken, so that no request can succeed any more."""
        return self._lost is not None

    async def request(
        self,
        body: Mapping[str, Any],
        limits: Mapping[str, Any],
        callback: Callback | None = None,
    ) -> Report:
        """Run one request. Cancelling kills its processes.

        Raises:
            SandboxError: the container is lost or stalled, its runner says what no runner of ours says, or
                the request is too big to send.
        """
        name = secrets.token_hex(16)
        pending = _Pending(callback)
        self._pending[name] = pending
        try:
            await self._send({"t": "run", "id": name, "body": dict(body), "limits": dict(limits)})
            # Twice, since tests that turn out to need one process are started a second time.
            longest = 2 * fairness.PATIENCE * float(limits["wall_s"])
            pending.deadline = self._loop.time() + longest + LATE_S
            if self._watcher is None:
                self._watcher = asyncio.create_task(self._watch())
            report = await pending.future
            if pending.over_budget is not None and report.head["status"] == "failed":
                report.head.update(status="budget", reason=None, message=pending.over_budget)
            return report
        except BaseException as error:  # cancelled, or without an answer: its processes are to end
            if not (isinstance(error, SandboxError) and error.reason in _OUT_OF_REACH):
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
        """What is not as in a fresh container, in one line; None when all is well."""
        name = secrets.token_hex(16)
        pending = _Pending(None, "probed")
        self._pending[name] = pending
        try:
            await self._send({"t": "probe", "id": name})
            async with asyncio.timeout(PROBE_WITHIN_S):
                return (await pending.future).head.get("problem")
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

    async def _send(self, message: Mapping[str, Any], value: bytes = b"") -> None:
        if self._lost is not None:
            raise self._lost
        try:
            data = frames.pack(dict(message), value)
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
                splitter.feed(data)
                while frame := splitter.next():
                    self._on_frame(frame)
        except (OSError, frames.FrameError) as error:
            self._fail(SandboxError("protocol", f"{_BROKEN}: {error}"))
            return
        self._fail(await self._gone())

    def _on_frame(self, frame: frames.Frame) -> None:
        """Act on a frame that is as it should be.

        The runner checks what processes send before it speaks of it. So any other frame is its own fault, or
        it is not ours any more: the request that is named has no outcome, and nothing is taken for one.
        """
        name = frame.head.get("id")
        pending = self._pending.get(name) if isinstance(name, str) else None
        try:
            self._on_message(messages.FROM_RUNNER.check(frame), frame, pending)
        except SchemaError as error:
            if pending is None:
                raise frames.FrameError(str(error)) from None
            pending.fail(SandboxError("protocol", f"{_BROKEN}: {error}"))

    def _on_message(self, kind: str, frame: frames.Frame, pending: _Pending | None) -> None:
        """Raises SchemaError where it is not the turn of such a frame."""
        message, body = frame
        if kind == "ready":
            if self._ready.done():
                raise SchemaError("it said twice that it is ready")
            self._ready.set_result(message)
        elif kind == "dirty":
            self.dirty = True
        elif pending is None or pending.future.done():
            return  # its request was cancelled, or has its answer: nothing more is done for it
        elif kind == pending.answer:
            pending.future.set_result(Report(message, body, tuple(pending.files)))
        elif kind == "callback" and pending.answer == "done":
            self._on_callback(message, body, pending)
        elif kind == "file" and pending.answer == "done" and len(pending.files) <= MAX_FILES:
            pending.files.append((message["name"], body, message["refused"]))
        else:
            raise SchemaError(f"{kind} comes out of its turn")

    def _on_callback(self, message: dict[str, Any], body: bytes, pending: _Pending) -> None:
        number = message["call"]
        if number <= pending.last_call or len(pending.open) >= messages.OPEN_CALLS:
            raise SchemaError(f"call {number} comes out of its turn")
        pending.last_call = number
        pending.open.add(number)
        task = asyncio.create_task(self._answer(message, body, pending))
        pending.calls.add(task)
        task.add_done_callback(pending.calls.discard)

    async def _answer(self, message: dict[str, Any], body: bytes, pending: _Pending) -> None:
        reply: dict[str, Any] = {"t": "reply", "id": message["id"], "call": message["call"]}
        if pending.future.done():
            return  # it ended before this call was looked at: nothing is done for it any more
        try:
            value = b""
            try:
                value = await self._result(message["method"], body, pending)
            except CallbackError as error:
                reply["error"] = [error.kind, str(error)[:_MAX_MESSAGE]]
                if error.kind == "budget":
                    pending.over_budget = str(error)
            pending.open.discard(message["call"])  # first: on the answer it may call again
            await self._send(reply, value)
        except Exception as error:  # noqa: BLE001 - a bug in the host's callback, or a lost container:
            pending.fail(error)  # either belongs to whoever made the request

    async def _result(self, method: str, body: bytes, pending: _Pending) -> bytes:
        """What the callback gives, as bytes. Raises CallbackError where there is nothing to give."""
        if pending.callback is None:
            raise CallbackError("usage", "this request may not call the host")
        try:
            arguments = values.loads(body, max_parts=messages.MAX_ARGUMENT_PARTS)
            _ARGUMENTS.check(arguments, "the arguments")
        except (codec.MalformedError, SchemaError) as error:
            raise CallbackError("usage", f"bad arguments: {error}") from None
        value = await pending.callback(method, arguments)
        try:
            return values.dumps(value, max_bytes=_MAX_REPLY, max_parts=_MAX_REPLY)
        except codec.TooBigError as error:
            raise CallbackError("usage", f"the answer cannot be handed over: {error}") from None

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
