"""What a fork runs: its parent's problem and options, and its parent's job or another workflow."""

from __future__ import annotations

from dataclasses import replace

from engine.experiments.keys import is_search
from engine.forks.record import RecordedStep, RunRecord
from engine.models.base import Sampling
from engine.operators.own import recorded_set
from engine.operators.sets import MANUAL, SETS
from engine.operators.specs import OperatorSet
from engine.problems import Problem, parse_problem
from engine.run.context import RunConfig, RunContext
from engine.run.execution import Purpose
from engine.run.ledger import Budget
from engine.run.limits import ExecutionLimits
from engine.runner import Job
from engine.variants import Result, UnknownVariantError, load_variant
from engine.variants.final import finish, mean_score, run_repeats
from engine.variants.flowreasoner import search_split
from engine.variants.proposal import emit_proposal
from engine.workflows import Workflow, build_workflow
from sandbox.errors import UsageError


class ForkError(UsageError):
    """The run cannot be forked in this way; the message says why, and what can be done."""


def problem_of(record: RunRecord) -> Problem:
    """The parent's problem. Raises ProblemError where this version cannot read it."""
    return parse_problem(record.start.problem, f"run {record.run_id}")


def config_of(record: RunRecord, budget: Budget) -> RunConfig:
    """The parent's options, with a budget of its own. Raises ForkError where the record does not hold them,
    and OperatorSetError where their operator set cannot be had.
    """
    config = record.start.config
    try:
        return RunConfig(
            variant=record.start.variant,
            rounds=int(config["rounds"]),
            repeats=int(config["repeats"]),
            seed=record.start.seed,
            stop_early=bool(config["stop_early"]),
            make_tests=bool(config["make_tests"]),
            operators=recorded_set(config),
            meta_sampling=_sampling(config["meta_sampling"]),
            worker_sampling=_sampling(config["worker_sampling"]),
            budget=budget,
            options=dict(config.get("options", {})),
            final=bool(config.get("final", True)),
            worker_seed=config.get("worker_seed"),
            execution_limits=ExecutionLimits(**config.get("execution_limits", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ValueError) and type(error) is not ValueError:
            raise
        raise ForkError(
            f"run {record.run_id} does not say what it was run with ({error}), as imported runs do not: "
            "run its workflow with `run-workflow`"
        ) from None


def _sampling(data: dict[str, object]) -> Sampling:
    return Sampling(**{**data, "stop": tuple(data.get("stop", ()))})  # type: ignore[arg-type]


def job_of(record: RunRecord) -> Job | None:
    """The parent's job; None where its variant's `solve` was the job.

    The workflow of a run that was given one, by a file or by a search, is read from its record. Raises
    ForkError where the record has no workflow that can run, or is that of a search.
    """
    origin = record.start.origin
    trial = origin.get("trial")
    if origin.get("stage") == "search" and isinstance(trial, str) and is_search(trial):
        raise ForkError(
            f"run {record.run_id} is the search of experiment {origin.get('experiment')}: "
            "resume the experiment with `bench`, or fork one of its trials"
        )
    has_meta_calls = any(call.start.role == "meta" for call in record.calls)
    if not has_meta_calls and len(record.proposals) == 1 and _is_given(record):
        return _given_job(record)
    if record.start.variant == "workflow-file":
        raise ForkError(f"run {record.run_id} ended before its workflow began, so there is nothing to fork")
    return None


def _is_given(record: RunRecord) -> bool:
    if record.start.origin.get("stage") == "search":
        return True
    try:
        return load_variant(record.start.variant).search is not None
    except UnknownVariantError:  # a workflow file's, or a variant that is gone
        return True


def _given_job(record: RunRecord) -> Job:
    (proposal,) = record.proposals
    operators = recorded_set(record.start.config)
    built = (build_workflow(proposal.code, proposal.prompts, s) for s in (operators, *SETS.values(), MANUAL))
    # The id depends on the operator set, so it tells which set the workflow was built with.
    as_built = next((w for w in built if isinstance(w, Workflow) and w.id == proposal.workflow_id), None)
    if as_built is None:
        raise ForkError(
            f"the workflow of run {record.run_id} is no longer read as it was; give it with --workflow FILE"
        )
    workflow = replace(as_built, strict_ok=proposal.strict_ok, modification=proposal.modification)

    async def job(context: RunContext) -> Result:
        context.emitter.emit(proposal)
        val_score = record.end.val_score if record.end else None
        return await finish(context, workflow, round_number=proposal.round, val_score=val_score)

    return job


def other_workflow_job(record: RunRecord, workflow: Workflow, at: RecordedStep | None) -> Job:
    """The job of running this workflow in the place of the parent's own, so that the random draws are the
    same.

    That place is the round of the forked step, scored as that step's execution was, or else the final round.
    """
    forked = record.executions.get(at.execution_id) if at else None
    last = forked or next(reversed(list(record.executions.values())), None)
    number, purpose = (last.round, last.purpose) if last else (1, "test")

    async def job(context: RunContext) -> Result:
        emit_proposal(context, workflow, round_number=number)
        val: Purpose = "val"
        val_score = None
        if purpose == val and (split := search_split(context.problem)) is not None:
            results = await run_repeats(context, workflow, round_number=number, purpose=val, split=split)
            val_score = mean_score(results)
        return await finish(context, workflow, round_number=number, val_score=val_score)

    return job


def edited_workflow(
    record: RunRecord, code: str, prompts: str, operators: OperatorSet | None = None
) -> Workflow:
    """The workflow in this text, with the parent's operators or the given ones. Raises ForkError where it
    cannot run, and OperatorSetError where the parent's operators cannot be had.
    """
    built = build_workflow(code, prompts, operators or recorded_set(record.start.config))
    if isinstance(built, Workflow):
        return built
    errors = [d for d in built.diagnostics if d.severity == "error"] or list(built.diagnostics)
    where = f"line {errors[0].line}: " if errors[0].line else ""
    raise ForkError(f"the workflow cannot run: {where}{errors[0].message}; {errors[0].fix}")
