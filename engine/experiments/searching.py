"""A variant's search in an experiment: a run of its own, whose candidates are tried in further runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.experiments.contestants import Contestant
from engine.experiments.guard import Guard
from engine.experiments.keys import FOUND, TrialKey, search_key
from engine.experiments.plan import Plan
from engine.experiments.trials import Carry, TrialLog, TrialRequest
from engine.problems import Problem
from engine.run.context import Origin, RunContext
from engine.run.ledger import Budget
from engine.search import SearchContext, SearchError, Trial
from engine.tasks import Task
from engine.variants import Result
from engine.workflows import Workflow


class Candidates:
    """`engine.search.Evaluate` within an experiment. A trial of a candidate that is recorded is not
    repeated.
    """

    def __init__(
        self,
        plan: Plan,
        contestant: Contestant,
        task: Task,
        carry: Carry,
        log: TrialLog,
        guard: Guard,
        slots: asyncio.Semaphore,
    ) -> None:
        self._plan, self._contestant, self._task = plan, contestant, task
        self._carry, self._log, self._guard, self._slots = carry, log, guard, slots

    async def __call__(
        self,
        label: str,
        workflow: Workflow | None,
        *,
        problems: Sequence[Problem] | None = None,
        repeats: int = 1,
        found: Mapping[str, Any] | None = None,
    ) -> list[Trial]:
        """The trials of a candidate on `problems` (all that searches may see), in order of problem and
        repeat.

        Raises BudgetExceededError, SandboxError and ModelError where no further trial may start
        (`Guard.check`); the trials in progress are cancelled then.
        """
        pairs = [(p, r) for p in (problems or self._task.problems) for r in range(1, repeats + 1)]
        tasks = [
            asyncio.ensure_future(self._trial(label, problem, repeat, workflow, found))
            for problem, repeat in pairs
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # where one is stopped all are, so that none goes on after this returns
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _trial(
        self,
        candidate: str,
        problem: Problem,
        repeat: int,
        workflow: Workflow | None,
        found: Mapping[str, Any] | None,
    ) -> Trial:
        key = str(TrialKey(self._contestant.label, problem.id, repeat, candidate))
        if (before := await self._log.ended(key)) is not None:
            return before
        async with self._slots:
            await self._guard.admit()
            # Each repeat of a candidate is a trial of its own with one execution, so that each is recorded.
            config = replace(self._contestant.config, repeats=1, seed=self._plan.seed_of(repeat))
            origin = Origin(experiment=self._plan.name, trial=key, stage="search")
            models = self._contestant.meta_agent, self._contestant.worker
            request = TrialRequest(problem, config, *models, origin, repeat, workflow, found)
            request = request.going_on(await self._log.unfinished(key))
            trial = await self._carry(request, self._guard.watch)
        self._guard.ended(trial, candidate=True)
        return trial


async def search(
    plan: Plan,
    contestant: Contestant,
    task: Task,
    carry: Carry,
    log: TrialLog,
    guard: Guard,
    slots: asyncio.Semaphore,
) -> dict[str, Any]:
    """The result of the variant's search. A search that was interrupted is resumed; one that ended is not
    repeated.

    Raises SearchError where it finds nothing; the message says why. Raises what `Guard.check` raises where it
    may not begin.
    """
    journal = log.journal(contestant.label)
    evaluate = Candidates(plan, contestant, task, carry, log, guard, slots)
    find = contestant.variant.search
    assert find is not None  # the caller's condition
    found: dict[str, Any] | None = None

    async def job(context: RunContext) -> Result:
        nonlocal found
        found = await find(SearchContext(context, task, journal, evaluate))
        return Result(None, found.get("val_score"), json.dumps(found), found.get("workflow_id"))

    async def run() -> dict[str, Any]:
        await guard.admit()
        # The limits of one run would end a search too early; the experiment's money limits it (`guard`).
        config = replace(contestant.config, seed=plan.seed, budget=Budget())
        trial = await carry(
            TrialRequest(
                _as_problem(task, contestant.label),
                config,
                contestant.meta_agent,
                contestant.worker,
                Origin(experiment=plan.name, trial=search_key(contestant.label), stage="search"),
                job=job,
            ),
            guard.watch,
        )
        if found is None or trial.status != "answered":
            raise SearchError(trial.error or f"it ended as {trial.status}")
        return found

    return await journal.once(FOUND, run)


def _as_problem(task: Task, label: str) -> Problem:
    """The task as the problem of the run that is its search."""
    return Problem(f"search for {label}", task.description, kind="open", metadata={"benchmark": task.name})
