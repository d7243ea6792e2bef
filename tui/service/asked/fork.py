"""Forks: from what a user typed, or changed in the dialog, to a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.forks import KINDS, Fork, RunRecord, StepEdit
from engine.forks.steps import StepError, find_step, with_value
from engine.operators.own import recorded_set
from engine.playground.plan import VARIANT
from engine.recorded_job import ForkError, config_of, edited_workflow, job_of, other_workflow_job, problem_of
from tui.service.asked.text_file import read_text
from tui.service.requests import NewFork

if TYPE_CHECKING:
    from engine.operators.specs import OperatorSpec
    from engine.run.context import Services
    from engine.run.ledger import Budget
    from engine.runner import Run
    from tui.service.runtime import Runtime


def read_record(store: Path, run_id: str) -> RunRecord:
    """What the run of this id, the start of one or "last" recorded.

    Raises StoreError where there is no such run, and ForkError where it is still running, is a playground, or
    recorded too little.
    """
    from store.reader import Reader

    with Reader(store) as reader:
        row = reader.run(run_id)
        if row.status == "running" and not reader.is_abandoned(row.id):
            raise ForkError(f"run {row.id} is still running; cancel it or wait for its end, then fork it")
        if row.variant == VARIANT:
            raise ForkError(
                f"run {row.id} is a playground and has no workflow to run on; fork the run whose step it asks"
                f"{f', {row.parent}' if row.parent else ''}, with the prompt of a cell"
            )
        try:
            return RunRecord(reader.events_of_kind(row.id, *KINDS))
        except ValueError as error:
            raise ForkError(f"run {row.id} cannot be forked: {error}") from None


def fork_request(
    record: RunRecord,
    *,
    at: str | None = None,
    sets: Sequence[str] = (),
    prompt: str | None = None,
    worker: str | None = None,
    workflow: tuple[str, str] | None = None,
    everywhere: bool = False,
) -> NewFork:
    """The request for a fork as the command line has it: `at` names a step, `sets` are PATH=VALUE.

    Raises ForkError where the options do not go together, StepError where there is no such step, path or
    value, and otherwise as `check_fork` does.
    """
    edits = bool(sets) or prompt is not None
    if edits and workflow is not None:
        raise ForkError(
            "another workflow and a changed step are two forks: give --workflow, or --set or --prompt"
        )
    if edits and at is None:
        raise ForkError("say with --at which step these inputs or this prompt belong to")
    if at is None and not worker and workflow is None:
        raise ForkError("say where to fork with --at STEP, or what to change with --worker or --workflow")
    if everywhere and not edits:
        raise ForkError("--everywhere needs --set or --prompt")
    step = find_step(record, at) if at is not None else None
    inputs: dict[str, Any] | None = None
    if step is not None and sets:
        inputs = with_sets(step.inputs, sets, recorded_set(record.start.config).get(step.operator))
    if step is not None and prompt is not None and step.ended and not step.reused and not step.prompts:
        raise StepError(
            f"{record.place(step)} {step.operator} called no model, so it has no prompt; use --set"
        )
    request = NewFork(
        parent=record.run_id,
        at=step.id if step else None,
        inputs=inputs,
        prompt=prompt,
        everywhere=everywhere,
        worker=worker,
        workflow=workflow,
    )
    check_fork(record, request)
    return request


def with_sets(
    inputs: dict[str, Any], sets: Sequence[str], operator: OperatorSpec | None = None
) -> dict[str, Any]:
    """A copy of a step's `inputs` with what `sets` say, each PATH=VALUE.

    Raises StepError, and ForkError where the file of a value cannot be read.
    """
    for text in sets:
        path, equals, value = text.partition("=")
        if not equals:
            raise StepError(f"--set {text!r} has no value: write PATH=VALUE")
        inputs = with_value(inputs, path, _value(value), operator)
    return inputs


def check_fork(record: RunRecord, request: NewFork) -> None:
    """Check that the recorded run can be forked so, before anything is opened for it.

    Raises ForkError where it cannot, and ProblemError or OperatorSetError where the recorded problem or
    operators are no longer valid.
    """
    from engine.run.ledger import Budget

    config_of(record, Budget())
    problem_of(record)
    if request.workflow is None:
        job_of(record)
    else:
        edited_workflow(record, *request.workflow)


async def open_fork(runtime: Runtime, request: NewFork) -> Run:
    """The run that this fork is.

    What of it is served from the record needs no model, so one that cannot be opened is missed only when it
    is called; a worker that was asked for by name must be there. Raises as `open_run` does.
    """
    record = await asyncio.to_thread(read_record, runtime.store_path, request.parent)
    start = record.start
    worker = request.worker or start.worker
    recorded = {start.meta_agent} | ({start.worker} if worker == start.worker else set())
    services = await runtime.services(start.meta_agent, worker, may_lack=recorded)
    return fork_run(record, request, services, runtime.budget())


def fork_run(record: RunRecord, request: NewFork, services: Services, budget: Budget) -> Run:
    """The run that this fork is, with opened `services`.

    Raises StepError where there is no such step, and otherwise as `check_fork` does.
    """
    from engine.run.context import Origin
    from engine.runner import Run

    step = find_step(record, request.at) if request.at is not None else None
    job = job_of(record)
    if request.workflow is not None:
        job = other_workflow_job(record, edited_workflow(record, *request.workflow), step)
    fork = Fork(
        record,
        worker=services.worker.name,
        at=step,
        edit=StepEdit(request.inputs, request.prompt, request.everywhere),
        same_job=request.workflow is None,
    )
    origin = Origin(parent=record.run_id, forked_at=step.id if step else None)
    return Run(problem_of(record), config_of(record, budget), services, job=job, origin=origin, fork=fork)


def _value(text: str) -> Any:
    """JSON, else the text itself; @FILE is what the file holds, as text."""
    if text.startswith("@"):
        return read_text(Path(text[1:]), "value", ForkError)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
