"""What runs need, opened: models, sandbox, recorder. Everything heavy is opened by the first run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from tui.service.engine_process.hub import Hub

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.events import Event
    from engine.models.base import ChatModel
    from engine.run.context import Services
    from engine.run.ledger import Budget
    from engine.runner import Run
    from sandbox.backends import Prefer
    from sandbox.sandboxes import Sandboxes
    from store.recorder import Recorder
    from store.recording import Recordable


class Runtime:
    """What the runs of one process share: models, sandbox, recorder, and the hub that followers use."""

    def __init__(self, settings: Settings, *, unsafe_local: bool = False) -> None:
        """`unsafe_local` means no sandbox at all.

        It never comes from the settings: the user has to type it.
        """
        self.settings = settings
        self.unsafe_local = unsafe_local
        self.store_path: Path = settings.store_path()
        self.sandbox_note = ""
        self.hub = Hub()
        self._prefer: Prefer = "unsafe-local" if unsafe_local else settings.sandbox.backend
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._sandboxes: Sandboxes | None = None
        self._recorder: Recorder | None = None
        self._models: dict[str, ChatModel] = {}

    def budget(self) -> Budget:
        """What a run may spend, as the settings have it."""
        from engine.run.ledger import Budget

        return Budget(**self.settings.budget.model_dump())

    async def aclose(self) -> None:
        """Close models, sandbox and recorder; containers are gone when this returns.

        An error of closing one of them is raised once all are closed.
        """
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._stack.aclose)
            for model in self._models.values():
                closing.push_async_callback(model.aclose)

    def record(self, run: Run) -> AsyncGenerator[Event, None]:
        """Start a run made with `services`, and yield its events once they are stored.

        Until it ends it can be watched and controlled through `hub`. Raises StoreError where an event cannot
        be stored.
        """
        from store.recording import recorded

        assert self._recorder is not None  # opened with the services
        return self.hub.track(run, recorded(run, self._recorder))

    async def keep(self, run: Recordable) -> AsyncGenerator[Event, None]:
        """Start a run that is carried out elsewhere, and yield its events once they are stored.

        It cannot be watched or controlled here. Raises StoreError where an event cannot be stored.
        """
        from store.recording import recorded

        async with self._opening:
            recorder = await self._open_recorder()
        async with aclosing(recorded(run, recorder)) as events:
            async for event in events:
                yield event

    async def services(
        self, meta_agent_name: str, worker_name: str, *, may_lack: Collection[str] = ()
    ) -> Services:
        """What runs with these models share; opened once, closed by `aclose`.

        A model of `may_lack` that cannot be opened raises its error when it is called instead. Raises
        ModelError, SandboxError and StoreError where a model, the sandbox or the store cannot be opened.
        """
        from engine.run.context import Services

        async with self._opening:
            meta_agent = await self._model(meta_agent_name, may_lack)
            worker = await self._model(worker_name, may_lack)
            await self._open_recorder()
            if self._sandboxes is None:
                self._sandboxes = await self._open_sandboxes()
            sandbox = await self._sandboxes.open()
            self.sandbox_note = sandbox.description
        return Services(meta_agent, worker, sandbox, open_image=self._sandboxes.open)

    async def sandboxes(self) -> Sandboxes:
        """The sandboxes of all images. Raises SandboxError where there is no sandbox to be had."""
        async with self._opening:
            if self._sandboxes is None:
                self._sandboxes = await self._open_sandboxes()
            return self._sandboxes

    async def _open_recorder(self) -> Recorder:
        from store.recorder import Recorder

        if self._recorder is None:
            self._recorder = await self._stack.enter_async_context(Recorder(self.store_path))
        return self._recorder

    async def _open_sandboxes(self) -> Sandboxes:
        from engine.guest_modules import guest_modules
        from sandbox.sandboxes import Sandboxes

        hosts, runtime = self.settings.docker_hosts, self.settings.sandbox.runtime
        sandboxes = Sandboxes(self._prefer, guest_modules(), hosts=hosts, runtime=runtime)
        return await self._stack.enter_async_context(sandboxes)

    async def _model(self, name: str, may_lack: Collection[str]) -> ChatModel:
        from engine.models.base import ModelError
        from engine.models.missing import MissingModel
        from store.errors import StoreError

        try:
            return await self._opened(name)
        except (ModelError, StoreError) as error:
            if name not in may_lack:
                raise
            return MissingModel(name, str(error))

    async def _opened(self, name: str) -> ChatModel:
        if name not in self._models:
            if name.startswith("replay:"):
                self._models[name] = await asyncio.to_thread(self._open_replay, name)
            else:
                from engine.models.registry import open_model

                self._models[name] = await asyncio.to_thread(open_model, name, self.settings)
        return self._models[name]

    def _open_replay(self, name: str) -> ChatModel:
        from engine.models.replay import ReplayModel, recorded_calls
        from store.reader import Reader

        with Reader(self.store_path) as reader:
            row = reader.run(name.removeprefix("replay:"))
            return ReplayModel(name, recorded_calls(reader.events(row.id)))
