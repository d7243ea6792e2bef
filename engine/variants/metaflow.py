"""MetaFlow (arXiv 2606.30704): one workflow for all problems of a task, written at once from its description.

The meta-agent reads the task and the operators of any set, and writes one workflow, which is not scored;
nothing is searched. Reviews of the paper say that its tables take the best of 20 workflows on 50 validation
problems instead: `candidates=20`. The class, the operators and the parts of the prompt are those of the
paper's probable code (docs/variants.md); sending a workflow that cannot run back once is ours. Without a
search, as in a single run, the workflow is written from a general description of the kind of problem. With
other operator sets, a workflow in our own format is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.ids import derived_seed
from engine.operators.metaflow_sets import METAFLOW, METAFLOW_MODULE
from engine.problems import Kind, Problem
from engine.prompts import task_messages
from engine.run.context import RunContext
from engine.search import SearchContext, SearchError
from engine.tasks import Task
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.found import found_workflow, journalled, solve_found
from engine.variants.metaflow_prompts import messages
from engine.variants.proposal import Ask, diagnosis, propose_for
from engine.variants.trials import mean, seed_of, tried
from engine.workflows import Rejected, Workflow

_KINDS: dict[Kind, str] = {
    "code": "Write Python functions from their descriptions.",
    "math": "Solve mathematical problems.",
    "qa": "Answer questions.",
    "open": "Carry out requests.",
}


class MetaFlowOptions(Options):
    """The paper's settings are not published."""

    examples: int = Field(
        2,
        ge=0,
        le=50,
        description="Problems of the task that are shown, without tests or answers (2 in the "
        "latest training files of the paper's probable code).",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=200,
        description="Workflows that are written; of several the best on `validation` counts "
        "(reviews of the paper: 20).",
    )
    validation: int = Field(
        50,
        ge=1,
        le=10_000,
        description="Problems at most that each of several candidates is scored on "
        "(reviews of the paper: 50).",
    )


@dataclass(frozen=True)
class _Candidate:
    number: int
    workflow: Workflow
    score: float


async def search(search: SearchContext) -> dict[str, Any]:
    """A workflow from one inference, which is not scored; or the best of several on problems that are neither
    shown nor reported, the earliest of equals. Returns `found_workflow`'s fields.

    Raises SearchError where no workflow can run, none has a verdict, or there are no problems to compare them
    on.
    """
    options = options_of(MetaFlowOptions, search.run.config.options)
    shown = drawn(search, options.examples)
    if options.candidates == 1:
        ask = journalled(search.run, search.journal, "workflow")
        built = await write(search.run, search.task, shown, seed_of(search, "meta"), ask)
        if isinstance(built, Rejected):
            raise _no_workflow(search, f"no workflow that can run for the task {search.task.name}", built)
        return found_workflow(built, round_number=1, val_score=None)
    return await _best(search, options, shown)


async def _best(search: SearchContext, options: MetaFlowOptions, shown: Sequence[Problem]) -> dict[str, Any]:
    """The best workflow, with the counts of candidates that could run and of those that repeated another."""
    left = [problem for problem in search.task.problems if problem not in shown]
    validation = Random(seed_of(search, "validation")).sample(left, min(options.validation, len(left)))
    if not validation:
        raise SearchError(f"the task {search.task.name} has no problems left to choose between workflows on")
    scored: dict[str, _Candidate] = {}
    last: Rejected | None = None
    valid = again = 0
    for number in range(1, options.candidates + 1):
        seed = seed_of(search, "meta", number)
        ask = journalled(search.run, search.journal, f"candidate-{number}")
        built = await _written(search.run, search.task, shown, seed, ask, number)
        if isinstance(built, Rejected):
            last = built
            continue
        valid += 1
        if (same := scored.get(built.id)) is not None:
            again += 1
            text = f"This is the workflow of round {same.number} again."
            _close(search.run, number, built, same.score, text)
            continue
        outcomes, _ = await tried(search, f"candidate-{number}", built, problems=validation)
        score = mean(outcome["score"] for outcome in outcomes)
        text = "No run came to a verdict." if score is None else f"Scored on {len(validation)} problems."
        _close(search.run, number, built, score, text)
        if score is not None:
            scored[built.id] = _Candidate(number, built, score)
    if not scored:
        if last is not None and not valid:
            what = f"no workflow that can run in {options.candidates} for the task {search.task.name}"
            raise _no_workflow(search, what, last)
        raise SearchError("no run of any workflow came to a verdict")
    best = max(scored.values(), key=lambda c: (c.score, -c.number))
    counts = {"candidates": options.candidates, "valid": valid, "again": again, "validation": len(validation)}
    return found_workflow(best.workflow, round_number=best.number, val_score=best.score) | counts


def _no_workflow(search: SearchContext, what: str, why: Rejected) -> SearchError:
    name = search.run.services.meta_agent.name
    return SearchError(f"the meta-agent {name} wrote {what}; use a stronger one: {diagnosis(why)}")


async def solve(context: RunContext) -> Result:
    """Run the task's workflow; where there was no search, write one first. Raises what `finish` raises."""
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
    """`count` problems of the task to show (or all, where it has fewer), the same for the same seed."""
    problems = search.task.problems
    return Random(seed_of(search, "examples")).sample(problems, min(count, len(problems)))


async def write(
    context: RunContext, task: Task, shown: Sequence[Problem], seed: int, ask: Ask | None = None
) -> Workflow | Rejected:
    """The only round: a workflow for the task, with some of its problems `shown`. `ask` is how the meta-agent
    is asked, as in `propose_for`.
    """
    built = await _written(context, task, shown, seed, ask, 1)
    if isinstance(built, Workflow):
        _close(context, 1, built, None, "It is not scored.")
    return built


async def _written(
    context: RunContext, task: Task, shown: Sequence[Problem], seed: int, ask: Ask | None, number: int
) -> Workflow | Rejected:
    """A workflow for the task. The round of one that cannot run ends here."""
    context.emitter.emit(RoundStarted(round=number))
    operators = context.config.operators
    native = any(spec.module != METAFLOW_MODULE for spec in operators.operators)
    asked = task_messages(task, operators, examples=shown) if native else messages(task, operators, shown)
    built = await propose_for(context, asked, round_number=number, seed=seed, ask=ask)
    if isinstance(built, Rejected):
        _close(context, number, built, None, f"The workflow cannot run:\n{diagnosis(built)}")
    return built


def _close(
    context: RunContext, number: int, built: Workflow | Rejected, score: float | None, feedback: str
) -> None:
    workflow_id = built.id if isinstance(built, Workflow) else None
    context.emitter.emit(RoundFinished(round=number, workflow_id=workflow_id, score=score, feedback=feedback))


# One proposal and its repair, where there was no search.
VARIANT = Variant(
    solve,
    MetaFlowOptions,
    search,
    most_calls=lambda _: (2, None),
    operators=lambda kind: METAFLOW.name,
    needs_problems=lambda config: options_of(MetaFlowOptions, config.options).candidates > 1,
)
