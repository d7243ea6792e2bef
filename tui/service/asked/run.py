"""A variant, or a given workflow, on a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tui.service.requests import GivenWorkflow, NewRun

if TYPE_CHECKING:
    from pathlib import Path

    from engine.config import Settings
    from engine.runner import Run
    from tui.service.runtime import Runtime


def default_request(settings: Settings) -> NewRun:
    """The bundled example with the configured models. Raises ProblemError where the example is missing."""
    from engine.benchmarks import find_problem
    from engine.benchmarks.pocket import EXAMPLE_ID

    return NewRun(
        problem=find_problem("pocket", EXAMPLE_ID),
        variant=settings.variant,
        meta_agent=settings.meta_agent,
        worker=settings.worker,
    )


async def open_new_run(runtime: Runtime, request: NewRun) -> Run:
    """The run of a variant. Raises as `open_run` does."""
    from engine.run.context import RunConfig
    from engine.runner import Run
    from engine.variants import load_variant
    from engine.variants.refusals import refuse, refuse_alone
    from engine.variants.spec import operators_for, read_spec

    # What the spec says comes before what the request says.
    spec, spec_settings = read_spec(request.variant)
    variant = load_variant(spec.name)
    meta_agent = spec_settings.get("meta_agent", request.meta_agent)
    operators = spec_settings.get("operators", request.operators)
    config = RunConfig(
        variant=spec.name,
        options=spec.values,
        rounds=spec_settings.get("rounds", request.rounds),
        repeats=spec_settings.get("executions", request.repeats),
        seed=request.seed,
        stop_early=request.stop_early,
        make_tests=request.make_tests,
        operators=operators_for(operators, variant, request.problem.kind, meta_agent),
        budget=runtime.budget(),
    )
    search_result = _found(runtime.store_path, request, spec.label)
    if search_result is None:
        refuse_alone(spec.label, variant)
        refuse(spec.label, variant, config, meta_agent)
    services = await runtime.services(meta_agent, spec_settings.get("worker", request.worker))
    return Run(request.problem, config, services, found=search_result)


async def open_workflow(runtime: Runtime, request: GivenWorkflow) -> Run:
    """The run of a given workflow.

    Raises OperatorSetError where there is no such set, and ModelError, SandboxError or StoreError where
    something it needs is not available.
    """
    from engine.operators.own import load_set
    from engine.run.context import RunConfig
    from engine.runner import Run, workflow_job

    config = RunConfig(
        variant="workflow-file",
        rounds=1,
        repeats=request.repeats,
        seed=request.seed,
        make_tests=request.make_tests,
        operators=load_set(request.operators),
        budget=runtime.budget(),
    )
    services = await runtime.services(request.meta_agent, request.worker)
    return Run(request.problem, config, services, job=workflow_job(request.workflow))


def _found(store: Path, request: NewRun, label: str) -> dict[str, Any] | None:
    """What the request's variant has found in an earlier experiment, where it names one."""
    if request.found is None:
        return None
    from tui.service.experiments.found import found_for

    return found_for(store, request.found, label)
