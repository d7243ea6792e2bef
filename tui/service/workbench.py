"""The workbench as the screens see it: runs belong to an engine process and continue without the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from engine import config_sources
from tui.service.engine_process.client import Client, live_experiments, live_runs, standing_from
from tui.service.engine_process.sockets import EngineError
from tui.service.engine_process.spawn import spawn
from tui.service.records import Records

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.events import Event
    from engine.experiments.standing import Standing
    from engine.models.registry import ModelInfo
    from tui.service.requests import ExperimentRequest, NewRun, Placement, RunRequest


class EngineWorkbench:
    """Starts its engine with the first run, and finds the runs of the store's other engines."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Without `settings`, those of the user, which are checked when they are first asked for.

        Raises ConfigError where the config file cannot be read.
        """
        self._settings = settings
        self._checking = Lock()
        stated = config_sources.stated("store", "theme") if settings is None else {}
        self.theme = settings.theme if settings else stated.get("theme", "")
        self.store_path = settings.store_path() if settings else config_sources.store_at(stated.get("store"))
        self.sandbox_note = ""
        self._records = Records(self.store_path)
        self._own: Path | None = None
        self._starting = asyncio.Lock()
        self._where: dict[str, Path] = {}
        self._experiments: dict[str, Path] = {}

    @property
    def settings(self) -> Settings:
        """The settings. Raises ConfigError where something in them is wrong."""
        with self._checking:
            if self._settings is None:
                from engine.config import load

                self._settings = load()
            return self._settings

    @property
    def has_settings(self) -> bool:
        """Whether the settings have been read and checked, which takes a moment."""
        return self._settings is not None

    def default_request(self) -> NewRun:
        """The bundled example with the configured models.

        Raises ProblemError where the example is missing.
        """
        from tui.service.asked.run import default_request

        return default_request(self.settings)

    def first_request(self) -> NewRun | None:
        """What the workbench opens on: the bundled example on an empty store, later nothing, which is Home.

        Raises ProblemError where the example is missing.
        """
        if not self.store_path.exists():
            return self.default_request()
        from store.errors import StoreError
        from store.reader import Reader

        try:
            with Reader(self.store_path) as reader:
                return None if reader.newest_event() else self.default_request()
        except StoreError:
            return None  # Home says what is wrong with it

    def models(self) -> list[tuple[str, str]]:
        """(name, what it is, where, and what it lacks) of each model that can be named, but for those of
        servers that run on this machine.
        """
        from engine.models.registry import available

        return _offered(available(self.settings))

    def served_models(self) -> list[tuple[str, str]]:
        """As `models`, of servers that run on this machine. Takes up to half a second."""
        from engine.models.registry import found_servers

        return _offered(found_servers(self.settings))

    def first_pull(self) -> tuple[str, float] | None:
        """(name, gigabytes) of a model to pull first; None where more than the embedded pair can be used."""
        from engine.models.pulls.catalogue import FIRST
        from engine.models.registry import available

        if any(model.kind != "embedded" and not model.note for model in available(self.settings)):
            return None
        return FIRST.name, FIRST.gigabytes

    async def check(self, *models: str) -> str:
        """Why no run with these models can begin; "" where no reason is known."""
        from tui.service.asked.check import why_not

        # Where an earlier run opened a sandbox, there is no need to look for one again.
        ask = partial(why_not, self.settings, models, sandbox=not self.sandbox_note)
        return await asyncio.to_thread(ask)

    async def start(self, request: RunRequest) -> str:
        """Start a run; returns its id. It continues until it ends or is cancelled.

        Raises EngineError with why it cannot begin.
        """
        async with Client(await self._engine()) as client:
            run_id = await client.start(request)
            self.sandbox_note = (await client.ask("hello"))["sandbox"]
        assert self._own is not None
        self._where[run_id] = self._own
        return run_id

    async def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        """The events of a run in progress after number `after`, until its end. Leaving does not end the run.

        Raises EngineError where the run is not in progress, or its engine is gone.
        """
        async with Client(self._engine_of(run_id)) as client:
            async for event in client.events(run_id, self._records, after):
                yield event

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        """Carry out a control action (`Hub.act`); returns how the run stands.

        Raises EngineError where the run is not in progress, or its engine refuses or is gone.
        """
        async with Client(self._engine_of(run_id)) as client:
            return await client.ask(action, run=run_id, **args)

    async def live(self) -> list[str]:
        """The ids of the runs in progress on this store, whoever started them, except those of experiments.

        Raises EngineError as `tui.service.engine_process.client.live_runs` does.
        """
        states = await live_runs(self.store_path)
        self._where |= {state["run"]: path for path, state in states}
        return [state["run"] for _, state in states if not state["experiment"]]

    async def estimate(self, request: ExperimentRequest) -> list[dict[str, Any]]:
        """What an experiment may take, by variant (`tui.service.experiments.estimate`).

        Raises what `tui.service.experiments.prepare.prepare` raises.
        """
        from tui.service.experiments.estimate import estimate
        from tui.service.experiments.prepare import prepare

        def plan() -> list[dict[str, Any]]:
            return estimate(self.store_path, prepare(self.settings, self.store_path, request))

        return await asyncio.to_thread(plan)

    async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        """Start or resume an experiment; returns its name. Raises EngineError with why it cannot begin."""
        async with Client(await self._engine()) as client:
            return await client.start_experiment(request, placement)

    async def experiments(self, left_out: Callable[[str], object]) -> list[Standing]:
        """How each experiment stands that is in progress, or ended while its engine still lives.

        `left_out` is told of engines whose experiments this version cannot read. Raises EngineError as
        `tui.service.engine_process.client.live_experiments` does.
        """
        standings = await live_experiments(self.store_path, left_out)
        # An experiment that ended in one engine may continue in another; that one is shown, so it comes last.
        standings.sort(key=lambda pair: pair[1].status != "ended")
        self._experiments = {standing.experiment: path for path, standing in standings}
        return list({standing.experiment: standing for _, standing in standings}.values())

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        """Carry out an action (`LiveExperiments.act`); returns how the experiment stands.

        Raises EngineError where it is not in progress, or its engine refuses or is gone.
        """
        if name not in self._experiments:
            raise EngineError(f"no experiment {name} is in progress")
        async with Client(self._experiments[name]) as client:
            return standing_from(await client.ask(action, experiment=name))

    async def aclose(self) -> None:
        """Close the store. The engine ends by itself when it is idle."""
        await self._records.aclose()

    async def _engine(self) -> Path:
        async with self._starting:
            if self._own is None or not await asyncio.to_thread(self._own.exists):
                self._own = await asyncio.to_thread(spawn, self.store_path)
            return self._own

    def _engine_of(self, run_id: str) -> Path:
        if run_id not in self._where:
            raise EngineError(f"no run {run_id} is in progress")
        return self._where[run_id]


def _offered(models: Sequence[ModelInfo]) -> list[tuple[str, str]]:
    return [(m.name, " · ".join(filter(None, (m.kind, m.where, m.note)))) for m in models]
