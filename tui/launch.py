"""Wires a run together: settings, models, sandbox, recorder. Everything heavy is opened by the first run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.ports import ForkRequest, RunRequest
from tui.remote.hub import Hub

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.context import RunConfig, Services
    from engine.events import Event
    from engine.models.base import ChatModel
    from engine.runner import Run
    from engine.workflows import Workflow
    from sandbox.backends import Prefer
    from sandbox.sandboxes import Sandboxes
    from store.recorder import Recorder
    from store.recording import Recordable


DEFAULT_ROUNDS = 10  # the FlowReasoner paper's l


def default_request(settings: Settings) -> RunRequest:
    """The bundled example with the configured models."""
    from engine.benchmarks import find_problem
    from engine.benchmarks.pocket import EXAMPLE_ID

    return RunRequest(
        problem=find_problem("pocket", EXAMPLE_ID),
        variant=settings.variant,
        meta_agent=settings.meta_agent,
        worker=settings.worker,
        rounds=DEFAULT_ROUNDS,
        seed=0,
    )


class Workbench:
    """The services behind runs, shared by all runs of the process."""

    def __init__(self, settings: Settings, *, unsafe_local: bool = False) -> None:
        """`unsafe_local`: no sandbox at all; never from the settings, only for who typed it."""
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

    def default_request(self) -> RunRequest:
        """The bundled example with the configured models."""
        return default_request(self.settings)

    async def run(self, request: RunRequest, workflow: Workflow | None = None) -> AsyncGenerator[Event, None]:
        """Run the request and record it; with `workflow`, that workflow is what runs.

        Cancelling the task that iterates cancels the run. Raises the errors of opening models,
        sandbox and store before the first event; afterwards everything is told in events.
        """
        async with aclosing(self.record(await self.open_run(request, workflow))) as events:
            async for event in events:
                yield event

    async def open_run(self, request: RunRequest, workflow: Workflow | None = None) -> Run:
        """The run of this request, which begins when it is recorded. Raises as `run` does."""
        from engine.control import parse_breakpoint
        from engine.runner import Run, workflow_job
        from tui.derived.rerun import open_again

        if request.fork is not None:
            return await self._open_fork(request, request.fork)
        breakpoints = [parse_breakpoint(text) for text in request.breakpoints]
        if request.again is not None:
            run = await open_again(self, request.again)
            run.control.set_breakpoints(breakpoints)
            return run
        if request.playground is not None:
            from tui.derived.playing import open_playground

            run = await open_playground(self, request.playground)
            run.control.set_breakpoints(breakpoints)
            return run
        config = self._config(request)
        services = await self.services(request.meta_agent, request.worker)
        job = workflow_job(workflow) if workflow else None
        found = self._found(request)
        run = Run(request.problem, config, services, job=job, found=found)
        run.control.set_breakpoints(breakpoints)
        return run

    async def _open_fork(self, request: RunRequest, wanted: ForkRequest) -> Run:
        """The fork this is. What of it is served needs no model, so one that cannot be opened is missed only
        when it is called; the worker that was asked for by name must be there.
        """
        from engine.control import parse_breakpoint
        from engine.ledger import Budget
        from tui.derived.forking import fork_run, read_record

        record = await asyncio.to_thread(read_record, self.store_path, wanted.parent)
        start = record.start
        served = {start.meta_agent} | ({start.worker} if request.worker == start.worker else set())
        services = await self.services(start.meta_agent, request.worker, may_lack=served)
        budget = Budget(**self.settings.budget.model_dump())
        run = fork_run(record, wanted, services, budget)
        run.control.set_breakpoints([parse_breakpoint(text) for text in request.breakpoints])
        return run

    async def aclose(self) -> None:
        """Close models, sandbox and recorder; containers are gone when this returns."""
        for model in self._models.values():
            await model.aclose()
        await self._stack.aclose()

    def _found(self, request: RunRequest) -> dict[str, Any] | None:
        """What the request's variant has found in an earlier experiment, where it names one."""
        if request.found is None:
            return None
        from engine.variants.spec import parse_spec
        from tui.experiments.found import found_for

        return found_for(self.store_path, request.found, parse_spec(request.variant).label)

    def _config(self, request: RunRequest) -> RunConfig:
        from engine.context import RunConfig
        from engine.ledger import Budget
        from engine.operators.own import load_set
        from engine.variants.spec import parse_spec

        spec = parse_spec(request.variant)
        budget = Budget(**self.settings.budget.model_dump())
        return RunConfig(
            variant=spec.name,
            options=spec.values,
            rounds=request.rounds,
            repeats=request.repeats,
            seed=request.seed,
            stop_early=request.stop_early,
            make_tests=request.make_tests,
            operators=load_set(request.operators),
            budget=budget,
        )

    def record(self, run: Run) -> AsyncGenerator[Event, None]:
        """Start a run with `services` and yield its events once they are stored; until it ends it can be
        watched and controlled through `hub`.
        """
        from store.recording import recorded

        assert self._recorder is not None  # opened with the services
        return self.hub.track(run, recorded(run, self._recorder))

    async def keep(self, run: Recordable) -> AsyncGenerator[Event, None]:
        """Start a run that is carried out elsewhere and yield its events once they are stored; it cannot be
        watched or controlled here. Raises StoreError.
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
        """What runs with these models share; opened once, closed by `aclose`. A model of `may_lack` that
        cannot be opened raises its error when it is called.

        Raises ModelError, SandboxError and StoreError.
        """
        from engine.context import Services

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
        """The sandboxes of all images. Raises SandboxError."""
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
