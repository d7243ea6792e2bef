"""The other side of an engine's socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tui.service.engine_process.sockets import EngineError, engines
from tui.service.engine_process.wire import (
    MAX_LINE,
    WireError,
    experiment_to_json,
    receive,
    request_to_json,
    send,
)

if TYPE_CHECKING:
    from engine.events import Event
    from engine.experiments.standing import Standing
    from tui.service.records import Records
    from tui.service.requests import ExperimentRequest, Placement, RunRequest


class Client:
    """One connection to one engine, on which one request runs at a time. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        """Raises EngineError where nothing answers on the socket."""
        try:
            self._streams = await asyncio.open_unix_connection(str(self._path), limit=MAX_LINE)
        except OSError as error:
            raise EngineError(
                f"the engine on {self._path} does not answer: {error.strerror or error}"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def ask(self, do: str, **args: Any) -> Any:
        """The answer to one request.

        Raises EngineError where the engine refuses, in its words, or is gone.
        """
        return (await self._ask({"do": do, **args})).get("ok")

    async def start(self, request: RunRequest) -> str:
        """Start a run there; returns its id. Raises EngineError as `ask` does."""
        return (await self.ask("start", request=request_to_json(request)))["run"]

    async def events(self, run_id: str, records: Records, after: int = -1) -> AsyncGenerator[Event, None]:
        """The run's events after number `after`, in order, until it ends.

        The engine only says that there are more; they are read from the store. Raises EngineError as `ask`
        does, and StoreError where the store cannot be read.
        """
        message = await self._ask({"do": "attach", "run": run_id})
        while True:
            if message.get("stored", after + 1) > after:
                async for chunk in records.events(run_id, after):
                    for event in chunk:
                        yield event
                    after = chunk[-1].seq
            if "stored" not in message:
                return
            message = await self._next()

    async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        """Start or resume an experiment there; returns its name. Raises EngineError as `ask` does."""
        request_data = experiment_to_json(request, placement)
        return (await self.ask("start_experiment", request=request_data))["experiment"]

    async def progress(self, name: str) -> AsyncGenerator[Standing, None]:
        """How the experiment stands, whenever that has changed, until it ends.

        Raises EngineError as `ask` does.
        """
        message = await self._ask({"do": "attach", "experiment": name})
        while "standing" in message:
            yield standing_from(message["standing"])
            message = await self._next()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._streams is not None, "used outside its context"
        try:
            await send(self._streams[1], request)
        except ConnectionError:
            raise self._gone() from None
        return await self._next()

    async def _next(self) -> dict[str, Any]:
        assert self._streams is not None
        try:
            message = await receive(self._streams[0])
        except WireError as error:
            raise EngineError(f"the engine process on {self._path} sent {error}") from None
        if message is None:
            raise self._gone()
        if "error" in message:
            raise EngineError(str(message["error"]))
        return message

    def _gone(self) -> EngineError:
        return EngineError(f"the engine on {self._path} is gone; what it had recorded is in the store")


async def live_runs(store: Path) -> list[tuple[Path, dict[str, Any]]]:
    """(socket of its engine, `Hub.state`) for every run in progress on this store.

    Raises EngineError where the folder of the sockets is not this user's.
    """
    return await _everywhere(store, "runs")


async def live_experiments(store: Path, left_out: Callable[[str], object]) -> list[tuple[Path, Standing]]:
    """(socket of its engine, standing) for every experiment that an engine of this store knows.

    Ended ones are included while their engine lives. Those of an engine of another version are not:
    `left_out` is called with a sentence for each such engine. Raises EngineError as `live_runs` does.
    """
    known: list[tuple[Path, Standing]] = []
    others: dict[Path, EngineError] = {}
    for path, data in await _everywhere(store, "experiments"):
        try:
            known.append((path, standing_from(data)))
        except EngineError as error:
            others[path] = error
    for path, error in others.items():
        left_out(f"the experiments of the engine on {path} are left out: {error}")
    return known


def standing_from(data: Any) -> Standing:
    """The standing that an engine sent as JSON data. Raises EngineError where another version sent it."""
    from engine.experiments.standing import Standing

    try:
        return Standing.from_json(data)
    except ValueError:
        raise EngineError(
            "the engine process has another version; let its runs end, then start again"
        ) from None


async def _everywhere(store: Path, do: str) -> list[tuple[Path, dict[str, Any]]]:
    states: list[tuple[Path, dict[str, Any]]] = []
    for path in await asyncio.to_thread(engines, store):
        try:
            async with Client(path) as client:
                states += [(path, state) for state in await client.ask(do)]
        except EngineError:  # it ended between the two questions
            continue
    return states
