"""What runs in a worker process, on a cluster or on this machine: trials, whose events the driver fetches.

Each process opens models and sandbox once, by the configuration and environment of its machine. Only plain
data crosses, so that neither side unpickles anything that the other's models or containers made.
"""

from __future__ import annotations

import asyncio
import platform
import traceback
from contextlib import AsyncExitStack, aclosing, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from engine.config import Settings, load
from engine.event_json import to_json
from engine.events import ModelCallFinished
from engine.experiments.wire import request_from_json
from engine.guest_modules import guest_modules
from engine.models.base import ChatModel, ModelError
from engine.models.registry import open_model
from engine.run.context import Services
from engine.runner import Run, workflow_job
from engine.secrets import hide
from sandbox.errors import ExpectedError
from sandbox.sandboxes import Sandboxes

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH_EVENTS = 200
# For more events to go with the first: a reply costs both sides as much as several events. What a model
# answered waits for nothing: were this process killed, it would be asked again.
LINGER_S = 0.05


class TrialWorker:
    """The work of an actor (`actor.py`), or of a process of this machine (`engine.experiments.processes`). A
    trial is one `begin`, then `more` until it says that it has ended.

    Where something cannot be done, the reply has a sentence `failure`; our exceptions are not sent, because
    they would have to be unpickled.
    """

    def __init__(self, *, unsafe_local: bool = False, share: int = 1) -> None:
        """An endpoint's limit of calls at once is shared with so many workers."""
        self._unsafe_local, self._share = unsafe_local, share
        self._trials: dict[str, _Trial] = {}
        self._models: dict[str, ChatModel] = {}
        self._settings: Settings | None = None
        self._sandboxes: Sandboxes | None = None
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def hello(self, models: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Open what trials with these pairs of meta-agent and worker need. Returns {host, version}, and
        `failure` where that is not possible.
        """
        about = {"host": platform.node(), "version": version("flowreasoner")}
        try:
            for meta_agent, worker in models:
                await self._services(meta_agent, worker)
        except ExpectedError as error:
            return {**about, "failure": str(error)}
        return about

    async def begin(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Start a trial, whose name is for `more` and `cancel`. Returns {}, or {failure} where it cannot
        start.
        """
        trial = self._trials[name] = _Trial()
        try:
            trial_request = request_from_json(request)
            services = await self._services(trial_request.meta_agent, trial_request.worker)
            run = Run(
                trial_request.problem,
                trial_request.config,
                services,
                job=workflow_job(trial_request.workflow) if trial_request.workflow else None,
                found=trial_request.found,
                origin=trial_request.origin,
                replies=trial_request.replies,
            )
        except ExpectedError as error:
            del self._trials[name]
            return {"failure": str(error)}
        trial.start(run)
        return {}

    async def more(self, name: str) -> dict[str, Any]:
        """Wait for the next events of a trial. Returns {events, ended, bug}: at most `BATCH_EVENTS` of them
        as JSON, whether these are the last, and with the last the traceback of a bug or None.
        """
        trial = self._trials[name]
        reply = await trial.more()
        if reply["ended"]:
            del self._trials[name]
        return reply

    async def cancel(self, name: str) -> None:
        """End a trial; its last events still come from `more`."""
        if (trial := self._trials.get(name)) is not None:
            trial.cancel()

    async def close(self) -> None:
        """End every trial, close the models, and remove the containers."""
        for trial in self._trials.values():
            trial.cancel()
        await asyncio.gather(*(trial.ended() for trial in self._trials.values()))
        async with AsyncExitStack() as closing:  # all of them, even where closing one fails
            closing.push_async_callback(self._stack.aclose)
            for model in self._models.values():
                closing.push_async_callback(model.aclose)

    async def _services(self, meta_agent: str, worker: str) -> Services:
        async with self._opening:
            if self._settings is None:
                self._settings = _shared(load(), self._share)
            writes = await self._model(meta_agent, self._settings)
            works = await self._model(worker, self._settings)
            if self._sandboxes is None:
                prefer = "unsafe-local" if self._unsafe_local else self._settings.sandbox.backend
                hosts, runtime = self._settings.docker_hosts, self._settings.sandbox.runtime
                self._sandboxes = await self._stack.enter_async_context(
                    Sandboxes(prefer, guest_modules(), hosts=hosts, runtime=runtime)
                )
            sandbox = await self._sandboxes.open()
        return Services(writes, works, sandbox, open_image=self._sandboxes.open)

    async def _model(self, name: str, settings: Settings) -> ChatModel:
        if name.startswith("replay:"):
            raise ModelError(
                "not-found", f"{name} reads the store, which workers in other processes do not have"
            )
        if name not in self._models:
            self._models[name] = await asyncio.to_thread(open_model, name, settings)
        return self._models[name]


def _shared(settings: Settings, share: int) -> Settings:
    """The settings, with every endpoint's limit of calls at once divided."""
    endpoints = {
        name: endpoint.model_copy(update={"max_concurrency": max(1, endpoint.max_concurrency // share)})
        for name, endpoint in settings.endpoints.items()
    }
    return settings.model_copy(update={"endpoints": endpoints})


class _Trial:
    """One run and those of its events that were not fetched yet."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._changed, self._urgent = asyncio.Event(), asyncio.Event()
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._bug: str | None = None

    def start(self, run: Run) -> None:
        self._run = run
        self._task = asyncio.create_task(self._drive(run))

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._run is not None:
            self._run.cancel()

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    async def more(self) -> dict[str, Any]:
        await self._changed.wait()
        assert self._task is not None  # what is waited for comes from it
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._urgent.wait()
        events, self._events = self._events[:BATCH_EVENTS], self._events[BATCH_EVENTS:]
        ended = not self._events and self._task.done()
        if not self._events and not ended:
            self._changed.clear()
            self._urgent.clear()
        return {"events": events, "ended": ended, "bug": self._bug if ended else None}

    async def _drive(self, run: Run) -> None:
        try:
            async with aclosing(run.events()) as events:
                async for event in events:
                    self._events.append(to_json(event))
                    self._changed.set()
                    if isinstance(event, ModelCallFinished) or len(self._events) >= BATCH_EVENTS:
                        self._urgent.set()
                    if self._is_cancelled:  # it was, before it could be
                        run.cancel()
        # A variant may be anybody's code: its error must not end the other trials, and is sent with the end.
        except Exception:  # noqa: BLE001
            self._bug = hide(traceback.format_exc())
        finally:
            asyncio.get_running_loop().call_soon(self._end)  # once the task is done

    def _end(self) -> None:
        self._changed.set()
        self._urgent.set()
