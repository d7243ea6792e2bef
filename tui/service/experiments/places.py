"""Where an experiment's trials run (`bench --on`): in this process, or on a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tui.service.errors import say

if TYPE_CHECKING:
    from engine.experiments.trials import Carry
    from tui.service.experiments.prepare import BenchRequest, Job
    from tui.service.runtime import Workbench

_ADDRESS = re.compile(r"ray://[^/@\s]+:\d{1,5}/?", re.ASCII)


def check_place(on: str) -> None:
    """Raises PlanError: `on` names no place."""
    if on not in ("local", "ray") and not _ADDRESS.fullmatch(on):
        from engine.experiments.plan import PlanError

        raise PlanError(f"--on is {on[:80]!r}; use local, ray, or ray://HOST:PORT")


@asynccontextmanager
async def opened(
    workbench: Workbench, job: Job, request: BenchRequest, report_bug: Callable[[Exception], object]
) -> AsyncGenerator[Carry, None]:
    """What carries trials out there, with everything they need open.

    Raises ModelError, SandboxError, StoreError and ClusterError.
    """
    from engine.experiments.trials import LocalTrials

    here = LocalTrials(workbench.services, workbench.record, report_bug)
    is_here = request.on == "local"
    for label, contestant in job.contestants.items():
        # A search runs here wherever its candidates do.
        if is_here or (contestant.variant.search is not None and label not in job.found):
            await workbench.services(contestant.meta_agent, contestant.worker)
    if is_here:
        yield here
        return
    from engine.experiments.ray.cluster import Crew, connected
    from engine.experiments.ray.trials import RayTrials

    models = dict.fromkeys((c.meta_agent, c.worker) for c in job.contestants.values())
    async with (
        connected(request.on) as ray,
        Crew(ray, request.concurrency, [*models], say, unsafe_local=workbench.unsafe_local) as crew,
    ):
        yield RayTrials(crew, workbench.keep, report_bug, here)
