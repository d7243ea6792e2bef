"""A recorded step to play with, and grids filled from it with scripted models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from engine.event_json import from_json, to_json
from engine.events import Event
from engine.models.base import Message, Sampling
from engine.operators.sets import PAPER
from engine.playground.cells import Cells
from engine.playground.grid import playground_job
from engine.playground.plan import GridPlan, PromptEdit, check, playground_config, playground_origin
from engine.playground.step import played_step
from engine.run.context import Services
from engine.run.ledger import Budget
from engine.runner import Run
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from sandbox.types import Sandbox
from tests.support.runs import RIGHT, WRONG, completion, run_events
from tests.support.scripted import Answer, ScriptedModel

PROMPTS = 'GENERATE = """Think of nothing."""'
BODY = """
made = await self.custom_code_generate(
    problem=problem, entry_point=entry_point, instruction=prompt_custom.GENERATE)
tested = await self.test(problem=problem, solution=made["response"], entry_point=entry_point, test_loop=0)
return made["response"]
"""


def thoughtful(messages: Sequence[Message], _: Sampling) -> str:
    return RIGHT if "Think of the sign." in messages[-1]["content"] else WRONG


async def parent(sandbox: Pool, worker: Answer | str = thoughtful) -> list[Event]:
    built = build_workflow(completion(BODY, PROMPTS), "", PAPER)
    assert isinstance(built, Workflow), built
    return await run_events(sandbox, worker=worker, workflow=built)


async def play(
    sandbox: Sandbox,
    recorded: list[Event],
    plan: GridPlan,
    models: list[ScriptedModel],
    budget: Budget | None = None,
    *,
    begin: Callable[[Run], None] = lambda _: None,
    watch: Callable[[Run, Event], None] = lambda *_: None,
) -> tuple[Cells, list[Event]]:
    """The grid and its events; `begin` and `watch` may control the run."""
    played = played_step(recorded, plan.step)
    check(played, plan)
    run = Run(
        played.problem,
        playground_config(played, plan, budget or Budget()),
        Services(models[0], models[0], sandbox),
        job=playground_job(played, plan, models),
        origin=playground_origin(played),
    )
    begin(run)
    cells, events = Cells(), []
    async with aclosing(run.events()) as stream:
        async for emitted in stream:
            event = from_json(to_json(emitted))  # as a reader in another process has it
            events.append(event)
            cells.take(event)
            watch(run, event)
    return cells, events


def plan_of(recorded: list[Event], *texts: str, **options: object) -> GridPlan:
    edits = (PromptEdit("recorded"), *(PromptEdit(f"edit {n}", t) for n, t in enumerate(texts, 1)))
    values = {"models": ("worker",), **options}
    return GridPlan(run=recorded[0].run_id, step="0", edits=edits, **values)  # type: ignore[arg-type]
