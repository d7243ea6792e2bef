"""An experiment in progress: its searches, then its trials, several at once, until all are done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from engine.experiments.contestants import Contestant
from engine.experiments.guard import Guard
from engine.experiments.keys import TrialKey
from engine.experiments.plan import Plan, PlanError
from engine.experiments.progress import Progress
from engine.experiments.searching import search
from engine.experiments.standing import Standing, Status
from engine.experiments.tally import Attempt
from engine.experiments.trials import Carry, TrialLog, TrialRequest
from engine.models.base import ModelError
from engine.problems import Problem
from engine.run.context import Origin
from engine.run.ledger import BudgetExceededError
from engine.search import SearchError, Trial
from engine.tasks import Task
from sandbox.types import SandboxError

Ended = Callable[[TrialKey, Trial], object]
End = Literal["done", "incomplete", "budget", "sandbox", "error"]
RETRIED = ("infra", "error", "budget", "failed")  # statuses that --retry accepts, besides ids


class Experiment:
    """Carries out a plan. `problems` are the plan's, by id; `found` are the results of earlier searches, by
    label.

    `concurrency` is how many trials run at once, `budget_usd` the limit in US dollars on what they may spend
    together. `progress` is always up to date; `failures` says by label why a search failed, and `stopped` why
    no further trial was started.
    """

    def __init__(
        self,
        plan: Plan,
        contestants: Mapping[str, Contestant],
        problems: Mapping[str, Problem],
        task: Task,
        carry: Carry,
        log: TrialLog,
        *,
        concurrency: int,
        budget_usd: float | None = None,
        retry: Sequence[str] = (),
        found: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.plan, self._contestants, self._problems, self._task = plan, contestants, problems, task
        self._carry, self._log = carry, log
        self._concurrency, self._retry = concurrency, retry
        self._found: dict[str, Mapping[str, Any]] = dict(found or {})
        self.failures: dict[str, str] = {}
        self.stopped = ""
        self.progress = Progress(plan)
        self.guard = Guard(budget_usd)
        self._stop: Exception | None = None

    async def run(self, on_end: Ended) -> End:
        """Carry out the trials that are still to do; `on_end` is called with every trial that ends. Returns
        how the experiment ended.

        Raises PlanError where --retry names no trial, and whatever carrying out a trial raises.
        """
        self.progress.resume(await self._log.attempts())
        todo = self.todo()
        self.guard.resume(*await self._log.spent())
        self.progress.begin(len(todo))
        slots = asyncio.Semaphore(self._concurrency)
        await _all(self._search(label, slots) for label in self._searching({k.label for k in todo}))
        queue = iter([key for key in todo if key.label not in self.failures])
        await _all(self._work(queue, on_end) for _ in range(min(self._concurrency, len(todo))))
        if self._stop is None and todo:
            try:
                self.guard.all_failed_alike(len(todo))
            except ModelError as error:
                self._stop = error
        if self._stop is not None:
            self.stopped = str(self._stop)
            return _end_of(self._stop)
        return "done" if self.progress.done == self.plan.total else "incomplete"

    def standing(self) -> Standing:
        """The present state of the experiment."""
        progress, guard = self.progress, self.guard
        status: Status = "running"
        if guard.paused:
            status = "pausing" if progress.running else "paused"
        return Standing(
            experiment=self.plan.name,
            benchmark=self.plan.benchmark,
            status=status,
            done=progress.done,
            total=progress.total,
            running=progress.running,
            concurrency=self._concurrency,
            elapsed_s=progress.elapsed_s,
            eta_s=None if status == "paused" else progress.eta_s,
            spent_usd=guard.spent_usd,
            unknown_calls=guard.unknown_calls,
            budget_usd=guard.budget_usd,
            variants=tuple(progress.states()),
            waits=guard.waits.told(),
            failures=dict(self.failures),
        )

    def todo(self) -> list[TrialKey]:
        """The trials to carry out, in the plan's order: those that --retry chooses, else those not done.
        Raises PlanError where --retry names no trial.
        """
        attempts = self.progress.attempts
        if not self._retry:
            return [k for k in self.plan.trials() if (a := attempts.get(str(k))) is None or not a.is_done]
        for choice in self._retry:
            exists = choice in RETRIED or choice in self.plan.problems
            if not exists and not any(_is_run(choice, attempt) for attempt in attempts.values()):
                raise PlanError(
                    f"--retry {choice!r}: no problem and no run of {self.plan.name} has this id;"
                    f" give one, or {', '.join(RETRIED)}"
                )
        return [k for k in self.plan.trials() if self._is_chosen(k, attempts.get(str(k)))]

    def _is_chosen(self, key: TrialKey, attempt: Attempt | None) -> bool:
        if key.problem_id in self._retry:
            return True
        status = attempt.status if attempt else ""
        return attempt is not None and any(w == status or _is_run(w, attempt) for w in self._retry)

    def _searching(self, labels: set[str]) -> list[str]:
        """The variants whose searches are needed, in the plan's order."""
        with_search = [label for label, c in self._contestants.items() if c.variant.search is not None]
        return [label for label in with_search if label in labels and label not in self._found]

    async def _search(self, label: str, slots: asyncio.Semaphore) -> None:
        contestant = self._contestants[label]
        self.progress.searches[label] = "searching"
        try:
            self._found[label] = await search(
                self.plan, contestant, self._task, self._carry, self._log, self.guard, slots
            )
            self.progress.searches[label] = "done"
        except (SearchError, ModelError, SandboxError, BudgetExceededError) as error:
            self.failures[label] = str(error)
            self.progress.searches[label] = "failed"
            await self._admitted()  # the same cause may stop the whole experiment

    async def _work(self, queue: Iterator[TrialKey], on_end: Ended) -> None:
        """Trials one after the other, until there is none left or none may start."""
        for key in queue:
            if not await self._admitted():
                return
            on_end(key, await self._one(key))

    async def _admitted(self) -> bool:
        """Whether another trial may start; waits while paused. Trials in progress go on to their end."""
        try:
            await self.guard.admit()
        except (BudgetExceededError, SandboxError, ModelError) as error:
            self._stop = error
        return self._stop is None

    async def _one(self, key: TrialKey) -> Trial:
        contestant = self._contestants[key.label]
        request = TrialRequest(
            self._problems[key.problem_id],
            replace(contestant.config, seed=self.plan.seed_of(key.repeat)),
            contestant.meta_agent,
            contestant.worker,
            Origin(experiment=self.plan.name, trial=str(key), stage="final"),
            key.repeat,
            found=self._found.get(key.label),
        )
        if str(key) in self.progress.attempts:
            request = request.going_on(await self._log.unfinished(str(key)))
        self.progress.running += 1
        try:
            trial = await self._carry(request, self.guard.watch)
        finally:
            self.progress.running -= 1
        self.guard.ended(trial)
        self.progress.ended(key, Attempt(trial.run_id, trial.status, trial.score))
        return trial


def _end_of(stop: Exception) -> End:
    """How an experiment ends that `stop` keeps from starting further trials."""
    if isinstance(stop, BudgetExceededError):
        return "budget"
    return "sandbox" if isinstance(stop, SandboxError) else "error"


def _is_run(choice: str, attempt: Attempt) -> bool:
    """Whether `choice` is the id of the attempt's run, or at least its first 6 characters."""
    return len(choice) >= 6 and attempt.run_id.startswith(choice)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once. The first error cancels the rest and is raised itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
