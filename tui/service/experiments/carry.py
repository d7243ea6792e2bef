"""An experiment opened to be carried out in this process, by a command or by an engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tui.service.experiments.places import opened

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment
    from tui.service.experiments.prepare import BenchRequest, Job
    from tui.service.runtime import Workbench


@asynccontextmanager
async def open_experiment(
    workbench: Workbench, job: Job, request: BenchRequest, report_bug: Callable[[Exception], object]
) -> AsyncGenerator[Experiment, None]:
    """The job's experiment, stored and held by this process, with everything its trials need open.

    Raises ModelError, SandboxError, StoreError and ClusterError.
    """
    from engine.experiments.experiment import Experiment
    from engine.experiments.selection import task_of
    from store.experiment_log import ExperimentLog, create

    plan = job.plan
    # Opened before anything is stored: a wrong model or a missing sandbox is no experiment.
    async with opened(workbench, job, request, report_bug) as carry:
        if job.is_new:
            create(workbench.store_path, plan)
        async with ExperimentLog(workbench.store_path, plan.name) as log:
            yield Experiment(
                plan,
                job.contestants,
                {problem.id: problem for problem in job.selection.report},
                task_of(plan.benchmark, job.selection),
                carry,
                log,
                concurrency=request.concurrency,
                budget_usd=request.budget_usd,
                retry=request.retry,
                found=job.found,
            )
