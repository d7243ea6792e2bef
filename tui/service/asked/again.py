"""A recorded run done again: same problem, variant, options, models and seed, as a run of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tui.service.requests import Rerun

if TYPE_CHECKING:
    from engine.forks import RunRecord
    from engine.runner import Run
    from tui.service.runtime import Runtime


def rerun_request(store: Path, run_id: str) -> Rerun:
    """The request to do the run of this id, the start of one or "last" again.

    Raises StoreError where there is no such run or its start was not recorded, and ProblemError where its
    problem cannot be read.
    """
    from engine.events import RunStarted
    from engine.problems import parse_problem
    from store.errors import StoreError
    from store.reader import Reader

    with Reader(store) as reader:
        row = reader.run(run_id)
        start = next(reader.events(row.id), None)
    if not isinstance(start, RunStarted):
        raise StoreError(f"The start of run {row.id} is not in the store {store}, so it cannot be run again.")
    parse_problem(start.problem, f"run {row.id}")
    return Rerun(run=row.id)


async def open_rerun(runtime: Runtime, request: Rerun) -> Run:
    """A run that does a recorded one again; its origin names the recorded one. The budget is today's.

    Raises as `open_run` does.
    """
    from engine.recorded_job import config_of, job_of, problem_of
    from engine.run.context import Origin
    from engine.runner import Run

    record = await asyncio.to_thread(_record, runtime.store_path, request.run)
    config = config_of(record, runtime.budget())
    job = job_of(record)
    search_result = None if job else _found(runtime.store_path, record)
    services = await runtime.services(record.start.meta_agent, record.start.worker)
    origin = Origin(parent=record.run_id)
    return Run(problem_of(record), config, services, job=job, found=search_result, origin=origin)


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
    short_name = PurePath(name).stem if name.endswith(".py") else name
    label = ",".join([short_name, *(f"{k}={v}" for k, v in sorted(options.items()))])
    return found_for(store, experiment, label)
