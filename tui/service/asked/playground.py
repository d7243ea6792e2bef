"""The playground as requests: from a step and what is to be asked to a run of the grid."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.ports import RunRequest
from tui.service.asked.text_file import read_text

if TYPE_CHECKING:
    from engine.playground.plan import Plan, PromptEdit
    from engine.playground.step import PlayedStep
    from engine.runner import Run
    from tui.service.runtime import Workbench


def read_step(store: Path, run_id: str, step: str) -> PlayedStep:
    """A step of a run of the store, live or ended.

    Raises StoreError, PlaygroundError, StepError, ProblemError and OperatorSetError.
    """
    from engine.forks import KINDS
    from engine.playground.step import PlaygroundError, played_step
    from store.reader import Reader

    with Reader(store) as reader:
        run = reader.run(run_id).id
        events = reader.events_of_kind(run, *KINDS)
    try:
        return played_step(events, step)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise PlaygroundError(f"run {run} cannot be played with: {error}") from None


def read_prompt(path: Path, name: str, template: str) -> PromptEdit:
    """An edit out of a file; the newline that editors end files with is not part of it.

    Raises PlaygroundError.
    """
    from engine.playground.plan import PromptEdit
    from engine.playground.step import PlaygroundError

    text = read_text(path, "prompt", PlaygroundError)
    return PromptEdit(name, text if template.endswith("\n") else text.removesuffix("\n"))


def request_of(played: PlayedStep, plan: Plan) -> RunRequest:
    """The request for the grid's run. Raises PlaygroundError and TemplateError where it cannot be filled."""
    from engine.playground.plan import VARIANT, check

    check(played, plan)
    return RunRequest(
        problem=played.problem,
        variant=VARIANT,
        meta_agent=plan.models[0],
        worker=plan.models[0],
        rounds=len(plan.edits),
        seed=played.record.start.seed,
        repeats=plan.repeats,
        playground=plan.to_json(),
    )


async def open_playground(workbench: Workbench, data: dict[str, Any]) -> Run:
    """The run that fills a grid.

    Raises:
        PlaygroundError, TemplateError, StepError, ProblemError, OperatorSetError: it cannot be filled.
        ModelError, SandboxError, StoreError: what it needs cannot be had.
    """
    from engine.playground.grid import playground_job
    from engine.playground.plan import check, plan_from_json, playground_config, playground_origin
    from engine.run.ledger import Budget
    from engine.runner import Run

    plan = plan_from_json(data)
    played = await asyncio.to_thread(read_step, workbench.store_path, plan.run, plan.step)
    check(played, plan)
    models = [(await workbench.services(name, name)).worker for name in plan.models]
    config = playground_config(played, plan, Budget(**workbench.settings.budget.model_dump()))
    return Run(
        played.problem,
        config,
        await workbench.services(plan.models[0], plan.models[0]),
        job=playground_job(played, plan, models),
        origin=playground_origin(played),
    )
