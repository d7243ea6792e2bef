"""The engine's side of a socket: requests come in, answers and progress go out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.run.control import ControlError
from sandbox.errors import ExpectedError
from tui.service.engine_process.hub import Hub
from tui.service.engine_process.sockets import EngineError, leave, listen
from tui.service.engine_process.wire import (
    MAX_LINE,
    WireError,
    experiment_from_json,
    receive,
    request_from_json,
    send,
)
from tui.service.errors import internal, say

if TYPE_CHECKING:
    from tui.service.requests import ExperimentRequest, Placement, RunRequest

Start = Callable[["RunRequest"], Awaitable[str]]
StartExperiment = Callable[["ExperimentRequest", "Placement"], Awaitable[str]]


@asynccontextmanager
async def served(store: Path, hub: Hub) -> AsyncIterator[None]:
    """Let other terminals watch and control what runs in this block.

    Where no socket can be made, a line on standard error says so and the block runs all the same.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(Server(store, hub))
        except EngineError as error:
            say(f"attach and control will not find what runs here: {error}")
        yield


class Server:
    """Serves one hub on a socket of this process. Use as a context manager.

    `start` begins a run and gives its id, `start_experiment` an experiment and gives its name, where they may
    be started from outside; `sandbox_note` says what isolates them.
    """

    def __init__(
        self,
        store: Path,
        hub: Hub,
        start: Start | None = None,
        sandbox_note: Callable[[], str] = str,
        start_experiment: StartExperiment | None = None,
    ) -> None:
        self.sandbox_note = sandbox_note
        self.path: Path | None = None
        self.connections = 0
        self._store, self._hub = store, hub
        self._start, self._start_experiment = start, start_experiment
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Raises EngineError where the socket cannot be made."""
        sock, self.path = listen(self._store)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MAX_LINE)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self.path is not None
        leave(self.path)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._answer_all(reader, writer)
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                message = await receive(reader)
            except WireError as error:
                await send(writer, {"error": str(error)})
                return
            if message is None:
                return
            try:
                if message.get("do") == "attach":
                    stream = self._follow if "experiment" in message else self._stream
                    await stream(message, writer)
                else:
                    await send(writer, {"ok": await self._answer(message)})
            except asyncio.CancelledError:
                raise
            except ConnectionError:
                return
            except WireError as error:
                await send(writer, {"error": str(error)})
            except Exception as error:  # noqa: BLE001  the connection's edge: the client is told
                sentence = str(error) if isinstance(error, ExpectedError) else internal(error)
                await send(writer, {"error": sentence})

    async def _answer(self, message: dict[str, Any]) -> Any:
        do, run_id, name = message.get("do"), message.get("run"), message.get("experiment")
        match do:
            case "hello":
                return {"pid": os.getpid(), "starts": self._start is not None, "sandbox": self.sandbox_note()}
            case "runs":
                return [self._hub.state(run_id) for run_id in self._hub.live]
            case "start" if self._start is not None:
                return {"run": await self._start(request_from_json(message.get("request")))}
            case "experiments":
                return [standing.to_json() for standing in self._hub.experiments.states()]
            case "start_experiment" if self._start_experiment is not None:
                request = experiment_from_json(message.get("request"))
                return {"experiment": await self._start_experiment(*request)}
        if isinstance(do, str) and isinstance(name, str):
            return self._hub.experiments.act(name, do).to_json()
        if not isinstance(do, str) or not isinstance(run_id, str):
            raise ControlError(f"there is no request {do!r} here")
        return self._hub.act(run_id, do, message)

    async def _follow(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """Send how the experiment stands, again and again, until it has ended."""
        name = message["experiment"]
        if not isinstance(name, str):
            raise ControlError("attach to an experiment by its name")
        async with aclosing(self._hub.experiments.follow(name)) as standings:
            async for standing in standings:
                await send(writer, {"standing": standing.to_json()})
        await send(writer, {"end": True})

    async def _stream(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """Say how far the run is stored, again whenever that has changed, until it has ended."""
        run_id = message.get("run")
        if not isinstance(run_id, str):
            raise ControlError("attach to a run by its id")
        live = self._hub.live.get(run_id)
        while live is not None and not live.ended:
            stored = live.stored  # taken before sending: what is stored meanwhile must not be missed
            await send(writer, {"stored": live.newest})
            await stored.wait()
        await send(writer, {"end": True})
