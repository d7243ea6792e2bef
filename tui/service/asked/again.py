"""A recorded run done again: same problem, variant, options, models and seed, as a run of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tui.ports import RunRequest

if TYPE_CHECKING:
    from engine.forks import RunRecord
    from engine.runner import Run
    from tui.service.runtime import Workbench


def again(store: Path, run_id: str) -> RunRequest:
    """The request to do the run of this id again. Raises StoreError and ProblemError."""
    from engine.events import RunStarted
    from engine.problems import parse_problem
    from store.errors import StoreError
    from store.reader import Reader

    with Reader(store) as reader:
        row = reader.run(run_id)
        start = next(reader.events(row.id), None)
    if not isinstance(start, RunStarted):
        raise StoreError(f"The start of run {row.id} is not in the store {store}, so it cannot be run again.")
    return RunRequest(
        problem=parse_problem(start.problem, f"run {row.id}"),
        variant=start.variant,
        meta_agent=start.meta_agent,
        worker=start.worker,
        rounds=int(start.config.get("rounds") or 1),
        seed=start.seed,
        again=row.id,
    )


async def open_again(workbench: Workbench, run_id: str) -> Run:
    """The run that does the run of this id again; its origin names that one. The budget is today's.

    Raises:
        ForkError, ProblemError, OperatorSetError, UnknownVariantError, OptionError: it cannot be done again.
        ModelError, SandboxError, StoreError, PlanError: what it needs cannot be had.
    """
    from engine.recorded_job import config_of, job_of, problem_of
    from engine.run.context import Origin
    from engine.run.ledger import Budget
    from engine.runner import Run

    record = await asyncio.to_thread(_record, workbench.store_path, run_id)
    config = config_of(record, Budget(**workbench.settings.budget.model_dump()))
    job = job_of(record)
    found = None if job else _found(workbench.store_path, record)
    services = await workbench.services(record.start.meta_agent, record.start.worker)
    origin = Origin(parent=record.run_id)
    return Run(problem_of(record), config, services, job=job, found=found, origin=origin)


def _record(store: Path, run_id: str) -> RunRecord:
    from engine.forks import RunRecord
    from store.reader import Reader

    with Reader(store) as reader:
        return RunRecord(reader.events(run_id))


def _found(store: Path, record: RunRecord) -> dict[str, Any] | None:
    """What the run's variant had from the search of its experiment, where it was a trial of one."""
    from engine.variants import load_variant
    from tui.service.experiments.found import found_for

    experiment = record.start.origin.get("experiment")
    if experiment is None or load_variant(record.start.variant).search is None:
        return None
    options = record.start.config.get("options", {})
    name = record.start.variant
    shown = PurePath(name).stem if name.endswith(".py") else name
    label = ",".join([shown, *(f"{k}={v}" for k, v in sorted(options.items()))])
    return found_for(store, experiment, label)
