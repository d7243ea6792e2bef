"""MetaFlow: one workflow for all problems of a task, written at once from its description.

The meta-agent is told the task and the operators, whatever set they are of, and writes one workflow; it
is not scored, and nothing is searched. What the paper's prompts look like is not published: that
example problems are shown, and that a workflow which cannot run is sent back once, is ours. Without a
search, as in a single run, the workflow is written from what is known of the kind of problem alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.ids import derived_seed
from engine.problems import Kind, Problem
from engine.prompts import task_messages
from engine.run.context import RunContext
from engine.search import SearchContext, SearchError
from engine.tasks import Task
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.found import found_workflow, journalled, solve_found
from engine.variants.proposal import Ask, diagnosis, propose_for
from engine.variants.trials import seed_of
from engine.workflows import Rejected, Workflow

_KINDS: dict[Kind, str] = {
    "code": "Write Python functions from their descriptions.",
    "math": "Solve mathematical problems.",
    "qa": "Answer questions.",
    "open": "Carry out requests.",
}


class MetaFlowOptions(Options):
    """Neither prompt nor settings of the paper are published."""

    examples: int = Field(
        3, ge=0, le=50, description="Problems of the task that are shown, without tests or answers (ours)."
    )


async def search(search: SearchContext) -> dict[str, Any]:
    """One generation, never scored. Raises SearchError."""
    options = options_of(MetaFlowOptions, search.run.config.options)
    shown = drawn(search, options.examples)
    ask = journalled(search.run, search.journal, "workflow")
    built = await write(search.run, search.task, shown, seed_of(search, "meta"), ask)
    if isinstance(built, Rejected):
        name = search.run.services.meta_agent.name
        raise SearchError(
            f"the meta-agent {name} wrote no workflow that can run for the task {search.task.name}; use a "
            f"stronger one: {diagnosis(built)}"
        )
    return found_workflow(built, round_number=1, val_score=None)


async def solve(context: RunContext) -> Result:
    """Run the task's workflow; write one first where no search did."""
    if context.found is not None:
        return await solve_found(context)
    text = "There was no search over a task: the workflow is written for the kind of problem alone."
    context.emitter.emit(Notice(level="info", text=text))
    kind = context.problem.kind
    task = Task(kind, _KINDS[kind], kind, ())
    built = await write(context, task, (), derived_seed(context.config.seed, "meta"))
    if isinstance(built, Rejected):
        return Result(None, None, None, None, f"The workflow cannot run: {diagnosis(built)}")
    return await finish(context, built, round_number=1, val_score=None)


def drawn(search: SearchContext, count: int) -> list[Problem]:
    """Problems of the task to show, the same for the same seed."""
    problems = search.task.problems
    return Random(seed_of(search, "examples")).sample(problems, min(count, len(problems)))


async def write(
    context: RunContext, task: Task, shown: Sequence[Problem], seed: int, ask: Ask | None = None
) -> Workflow | Rejected:
    """The one round there is: a workflow for the task, with some of its problems `shown`."""
    context.emitter.emit(RoundStarted(round=1))
    asked = task_messages(task, context.config.operators, examples=shown)
    built = await propose_for(context, asked, round_number=1, seed=seed, ask=ask)
    rejected = isinstance(built, Rejected)
    feedback = f"The workflow cannot run:\n{diagnosis(built)}" if rejected else "It is not scored."
    workflow_id = None if rejected else built.id
    context.emitter.emit(RoundFinished(round=1, workflow_id=workflow_id, score=None, feedback=feedback))
    return built


# One proposal and its repair, where there was no search.
VARIANT = Variant(solve, MetaFlowOptions, search, most_calls=lambda _: (2, None))
