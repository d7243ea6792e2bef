"""Where an experiment's trials run (`bench --on`): in this process, or on a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tui.service.errors import say

if TYPE_CHECKING:
    from engine.experiments.trials import Carry
    from tui.service.experiments.prepare import PreparedExperiment
    from tui.service.requests import Placement
    from tui.service.runtime import Runtime

_ADDRESS = re.compile(r"ray://[^/@\s]+:\d{1,5}/?", re.ASCII)


def check_place(on: str) -> None:
    """Raises PlanError where `on` is not "local", "ray" or "ray://HOST:PORT"."""
    if on not in ("local", "ray") and not _ADDRESS.fullmatch(on):
        from engine.experiments.plan import PlanError

        raise PlanError(f"--on is {on[:80]!r}; use local, ray, or ray://HOST:PORT")


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
    check_place(placement.on)
    from engine.experiments.trials import LocalTrials

    local_trials = LocalTrials(runtime.services, runtime.record, report_bug)
    is_here = placement.on == "local"
    for label, contestant in prepared.contestants.items():
        # A search runs here wherever its candidates do.
        if is_here or (contestant.variant.search is not None and label not in prepared.found):
            await runtime.services(contestant.meta_agent, contestant.worker)
    if is_here:
        yield local_trials
        return
    from engine.experiments.ray.cluster import Crew, connected
    from engine.experiments.ray.trials import RayTrials

    models = dict.fromkeys((c.meta_agent, c.worker) for c in prepared.contestants.values())
    async with (
        connected(placement.on) as ray,
        Crew(ray, placement.concurrency, [*models], say, unsafe_local=runtime.unsafe_local) as crew,
    ):
        yield RayTrials(crew, runtime.keep, report_bug, local_trials)
