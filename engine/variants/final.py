"""The score that counts: the chosen workflow is executed again and scored on `test`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from engine.events import Notice, Split
from engine.problems import Problem
from engine.run.context import RunContext
from engine.run.execution import Execution, Purpose, execute
from engine.scores.scoring import Score, evaluate, tests_of
from engine.variants import Result
from engine.workflows import Workflow


def final_split(problem: Problem) -> Split | None:
    """The split of the final score: `test`, else `val`, else `visible`, where the problem has such tests;
    None where nothing can be scored. A reference answer counts as `test`.
    """
    if problem.kind in ("qa", "math"):
        return "test" if problem.answer is not None else None
    for split in ("test", "val", "visible"):
        if tests_of(problem, split):
            return split
    return None


def announced_split(context: RunContext) -> Split | None:
    """The final split, with a warning where the search or the workflow saw its tests; None where the run
    has no final scoring.
    """
    if not context.config.final:
        return None
    split = final_split(context.problem)
    if split in ("val", "visible"):
        why = "the search saw them" if split == "val" else "the workflow saw them"
        text = f"There are no test tests: the final score is on the {split} tests, and {why}."
        context.emitter.emit(Notice(level="warning", text=text))
    return split


def final_purpose(split: Split | None) -> Purpose:
    """The purpose of the final executions: "test" where they are scored, else "answer"."""
    return "test" if split is not None else "answer"


async def run_repeats(
    context: RunContext, workflow: Workflow, *, round_number: int, purpose: Purpose, split: Split | None
) -> list[tuple[Execution, Score | None]]:
    """Execute `workflow` as often as the run's `repeats` (once where nothing is scored), all at once, and
    score each. Returns (execution, score) in order of repeat; the score is None without a split.

    Raises BudgetExceededError, ModelError and SandboxError as `execute`, and ModelError where a model's
    refusal keeps a final execution from an answer.
    """

    async def once(repeat: int) -> tuple[Execution, Score | None]:
        execution = await execute(
            context, workflow, round_number=round_number, repeat=repeat, purpose=purpose
        )
        if purpose != "val":  # while searching it is the workflow's doing, such as a prompt that is too long
            execution.raise_refusal()
        if split is None:
            return execution, None
        return execution, await evaluate(context, execution, workflow, split, repeat)

    return await repeated(context, split, once)


T = TypeVar("T")


async def repeated(
    context: RunContext, split: Split | None, once: Callable[[int], Coroutine[None, None, T]]
) -> list[T]:
    """The results of `once(repeat)` for every repeat, from 1, done at once; only of the first where nothing
    is scored. The first error cancels the others and is raised.
    """
    count = context.config.repeats if split is not None else 1
    tasks = [asyncio.ensure_future(once(r)) for r in range(1, count + 1)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # where one failed, the others end before its error is raised
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def mean_score(results: list[tuple[Execution, Score | None]]) -> float | None:
    """The mean score over repeats, in [0, 1]. An execution that crashed has a score of 0 and counts; only
    repeats that could not be scored are left out. None where there are no others.
    """
    values = [s.value for _, s in results if s is not None and s.value is not None]
    return sum(values) / len(values) if values else None


async def finish(
    context: RunContext, workflow: Workflow, *, round_number: int, val_score: float | None
) -> Result:
    """Run the chosen workflow for the final score. The answer reported is that of the first repeat that has
    one.

    In a run without a final scoring it is not run again, and the result has only the search's score. Raises
    what `run_repeats` raises.
    """
    if not context.config.final:
        return Result(None, val_score, None, workflow.id)
    split = announced_split(context)
    results = await run_repeats(
        context, workflow, round_number=round_number, purpose=final_purpose(split), split=split
    )
    answer, error = reported(results)
    return Result(mean_score(results), val_score, answer, workflow.id, error)


async def finish_on(context: RunContext, workflow: Workflow, split: Split) -> Result:
    """As `finish`, but scored on tests that training may see; the score is the result's `val_score`.

    For a problem with a reference answer the split makes no difference: every split is scored by the answer.
    """
    results = await run_repeats(context, workflow, round_number=1, purpose="val", split=split)
    answer, error = reported(results)
    return Result(None, mean_score(results), answer, workflow.id, error)


def reported(results: list[tuple[Execution, Score | None]]) -> tuple[str | None, str | None]:
    """(answer, error) of the first repeat that has an answer, else of the first repeat."""
    answered = [e for e, _ in results if e.answer is not None]
    chosen = answered[0] if answered else results[0][0]
    return chosen.answer, chosen.error
