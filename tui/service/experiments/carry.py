"""An experiment opened to be carried out in this process, by a command or by an engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tui.service.experiments.places import opened

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment
    from tui.service.experiments.prepare import PreparedExperiment
    from tui.service.requests import Placement
    from tui.service.runtime import Runtime


@asynccontextmanager
async def open_experiment(
    runtime: Runtime,
    prepared: PreparedExperiment,
    placement: Placement,
    report_bug: Callable[[Exception], object],
) -> AsyncGenerator[Experiment, None]:
    """The experiment, stored and held by this process, with everything its trials need open.

    `report_bug` is told of exceptions that are bugs of ours.

    Raises:
        PlanError: `placement` names no place.
        ModelError, SandboxError, ClusterError: something its trials need is not available.
        StoreError: its name is taken, another process holds it, or the store cannot be written.
    """
    from engine.experiments.experiment import Experiment
    from engine.experiments.selection import task_of
    from store.experiment_log import ExperimentLog, create

    plan = prepared.plan
    # Opened before anything is stored: with a wrong model or no sandbox there is no experiment to store.
    async with opened(runtime, prepared, placement, report_bug) as carry:
        if prepared.is_new:
            create(runtime.store_path, plan)
        async with ExperimentLog(runtime.store_path, plan.name) as log:
            yield Experiment(
                plan,
                prepared.contestants,
                {problem.id: problem for problem in prepared.selection.report},
                task_of(plan.benchmark, prepared.selection),
                carry,
                log,
                concurrency=placement.concurrency,
                budget_usd=placement.budget_usd,
                retry=prepared.retry,
                found=prepared.found,
            )
