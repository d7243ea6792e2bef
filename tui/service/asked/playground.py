"""The playground as requests: from a step and a plan to the run that fills the grid."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tui.service.asked.text_file import read_text
from tui.service.requests import NewGrid

if TYPE_CHECKING:
    from engine.playground.plan import GridPlan, PromptEdit
    from engine.playground.step import PlayedStep
    from engine.runner import Run
    from tui.service.runtime import Runtime


def read_step(store: Path, run_id: str, step: str) -> PlayedStep:
    """A step of a run of the store, whether live or ended.

    Raises:
        StoreError: there is no such run, or it cannot be read.
        PlaygroundError, StepError: there is no such step, or it cannot be played with.
        ProblemError, OperatorSetError: what the run recorded cannot be read.
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
        raise PlaygroundError(f"the playground cannot open run {run}: {error}") from None


def read_prompt(path: Path, name: str, template: str) -> PromptEdit:
    """An edit named `name` from a file. Raises PlaygroundError where the file cannot be read.

    The newline that editors end files with is dropped, unless the `template` it replaces ends with one.
    """
    from engine.playground.plan import PromptEdit
    from engine.playground.step import PlaygroundError

    text = read_text(path, "prompt", PlaygroundError)
    return PromptEdit(name, text if template.endswith("\n") else text.removesuffix("\n"))


def grid_request(played: PlayedStep, plan: GridPlan) -> NewGrid:
    """The request for the grid's run.

    Raises PlaygroundError and TemplateError where the grid cannot be filled.
    """
    from engine.playground.plan import check

    check(played, plan)
    return NewGrid(plan=plan.to_json())


async def open_grid(runtime: Runtime, request: NewGrid) -> Run:
    """The run that fills a grid. Raises as `open_run` does."""
    from engine.playground.grid import playground_job
    from engine.playground.plan import check, plan_from_json, playground_config, playground_origin
    from engine.runner import Run

    plan = plan_from_json(request.plan)
    played = await asyncio.to_thread(read_step, runtime.store_path, plan.run, plan.step)
    check(played, plan)
    models = [(await runtime.services(name, name)).worker for name in plan.models]
    return Run(
        played.problem,
        playground_config(played, plan, runtime.budget()),
        await runtime.services(plan.models[0], plan.models[0]),
        job=playground_job(played, plan, models),
        origin=playground_origin(played),
    )
