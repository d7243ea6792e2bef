"""The workbench as the screens see it: runs belong to an engine process and continue without the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.service.asked.run import default_request
from tui.service.engine_process.client import Client, live_experiments, live_runs, standing_from
from tui.service.engine_process.sockets import EngineError
from tui.service.engine_process.spawn import spawn
from tui.service.records import Records

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.events import Event
    from engine.experiments.standing import Standing
    from tui.service.requests import ExperimentRequest, NewRun, Placement, RunRequest


class EngineWorkbench:
    """Starts its engine with the first run; finds the runs of other engines of the store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store_path: Path = settings.store_path()
        self.sandbox_note = ""
        self._records = Records(self.store_path)
        self._own: Path | None = None
        self._starting = asyncio.Lock()
        self._where: dict[str, Path] = {}
        self._experiments: dict[str, Path] = {}

    def default_request(self) -> NewRun:
        """The bundled example with the configured models."""
        return default_request(self.settings)

    def models(self) -> list[tuple[str, str]]:
        """The models that can be named, each with where it is and what it lacks."""
        from engine.models.registry import available

        found = available(self.settings)
        return [(m.name, " · ".join(filter(None, (m.kind, m.where, m.note)))) for m in found]

    async def check(self, *models: str) -> str:
        """Why no run with these models can begin; "" where nothing speaks against it."""
        from tui.service.asked.check import why_not

        # A sandbox that was opened by an earlier run need not be looked for again.
        ask = partial(why_not, self.settings, models, sandbox=not self.sandbox_note)
        return await asyncio.to_thread(ask)

    async def start(self, request: RunRequest) -> str:
        """Start a run and give its id; it goes on until it ends or is cancelled.

        Raises EngineError: why it cannot begin.
        """
        async with Client(await self._engine()) as client:
            run_id = await client.start(request)
            self.sandbox_note = (await client.ask("hello"))["sandbox"]
        assert self._own is not None
        self._where[run_id] = self._own
        return run_id

    async def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        """The events of a run in progress behind number `after`, until its end; leaving leaves it alone.

        Raises EngineError.
        """
        async with Client(self._engine_of(run_id)) as client:
            async for event in client.events(run_id, self._records, after):
                yield event

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        """Carry out a control action (`Hub.act`); gives how the run stands. Raises EngineError."""
        async with Client(self._engine_of(run_id)) as client:
            return await client.ask(action, run=run_id, **args)

    async def live(self) -> list[str]:
        """The ids of the runs in progress on this store, whoever started them, but those of experiments."""
        found = await live_runs(self.store_path)
        self._where |= {state["run"]: path for path, state in found}
        return [state["run"] for _, state in found if not state["experiment"]]

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
        """Start or resume an experiment and give its name. Raises EngineError."""
        async with Client(await self._engine()) as client:
            return await client.start_experiment(request, placement)

    async def experiments(self) -> list[Standing]:
        """How every experiment stands that is in progress, or ended a moment ago."""
        found = await live_experiments(self.store_path)
        # One that ended in one engine may go on in another: what goes on is told.
        found.sort(key=lambda pair: pair[1].status != "ended")
        self._experiments = {standing.experiment: path for path, standing in found}
        return list({standing.experiment: standing for _, standing in found}.values())

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        """Carry out an action of `tui.service.engine_process.live_experiments`. Raises EngineError."""
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
