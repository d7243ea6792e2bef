"""Where an experiment's trials run: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tui.service.errors import say

if TYPE_CHECKING:
    from engine.experiments.crew import Workers
    from engine.experiments.trials import Carry
    from tui.service.experiments.prepare import PreparedExperiment
    from tui.service.requests import Placement
    from tui.service.runtime import Runtime

_ADDRESS = re.compile(r"ray://[^/@\s]+:\d{1,5}/?", re.ASCII)


def check_place(placement: Placement) -> None:
    """Raises PlanError where `on` is not "local", "ray" or "ray://HOST:PORT", or has no `processes`."""
    from engine.experiments.plan import PlanError

    on = placement.on
    if on not in ("local", "ray") and not _ADDRESS.fullmatch(on):
        raise PlanError(f"--on is {on[:80]!r}; use local, ray, or ray://HOST:PORT")
    if on != "local" and placement.processes > 1:
        raise PlanError("--processes is for this machine; a cluster has a process for each of its processors")


@asynccontextmanager
async def opened(
    runtime: Runtime,
    prepared: PreparedExperiment,
    placement: Placement,
    report_bug: Callable[[Exception], object],
) -> AsyncGenerator[Carry, None]:
    """What carries trials out at the placement, with everything they need open.

    Raises PlanError as `check_place` does, and ModelError, SandboxError, StoreError or ClusterError where
    something the trials need is not available.
    """
    check_place(placement)
    from engine.experiments.trials import LocalTrials

    local_trials = LocalTrials(runtime.services, runtime.record, report_bug)
    is_here = placement.on == "local" and placement.processes == 1
    for label, contestant in prepared.contestants.items():
        # A search runs here wherever its candidates do.
        if is_here or (contestant.variant.search is not None and label not in prepared.found):
            await runtime.services(contestant.meta_agent, contestant.worker)
    if is_here:
        yield local_trials
        return
    from engine.experiments.remote_trials import RemoteTrials

    async with _workers(runtime, prepared, placement) as workers:
        yield RemoteTrials(workers, runtime.keep, report_bug, local_trials)


@asynccontextmanager
async def _workers(
    runtime: Runtime, prepared: PreparedExperiment, placement: Placement
) -> AsyncGenerator[Workers[Any], None]:
    """The workers of a placement that is not this process. Raises ClusterError."""
    models = [*dict.fromkeys((c.meta_agent, c.worker) for c in prepared.contestants.values())]
    room, unsafe_local = placement.concurrency, runtime.unsafe_local
    if placement.on == "local":
        from engine.experiments.processes import Processes

        async with Processes(placement.processes, room, models, say, unsafe_local=unsafe_local) as workers:
            yield workers
        return
    from engine.experiments.ray.cluster import Crew, connected

    async with (
        connected(placement.on) as ray,
        Crew(ray, room, models, say, unsafe_local=unsafe_local) as workers,
    ):
        yield workers
