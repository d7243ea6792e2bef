"""A rollout for MetaFlow: one workflow for a task, written once and run on several of its instances.

The reward is the share of instances it solves (`training.rollouts.rewards.pass_share`). An instance is scored
on its own tests or answer, and it is one to train on: none of the problems that a report is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from engine.events import Event, RunFinished, Split
from engine.ids import derived_seed
from engine.problems import Problem
from engine.run.context import Origin, RunConfig, RunContext
from engine.runner import workflow_job
from engine.scores.scoring import tests_of
from engine.tasks import Task
from engine.variants import Result, options_of
from engine.variants.metaflow import MetaFlowOptions, write
from engine.workflows import Rejected, Workflow
from sandbox.errors import UsageError
from training.rollouts.policy import PolicyModel
from training.rollouts.rewards import NO_VERDICT, pass_share
from training.rollouts.rollouts import InstanceOutcome, Reading, Rollout, RoundOutcome

if TYPE_CHECKING:
    from training.rollouts.rollouts import Gym

_ATTEMPTS = 2  # tries of an instance while the sandbox or an endpoint fails


def scored_on(instance: Problem) -> Split:
    """The split that an instance's reward comes from: its `val` tests if it has some, else those it has.

    For an instance with a reference answer the split means nothing. Raises UsageError where it has neither.
    """
    if instance.kind != "code":
        if instance.answer is None:
            raise UsageError(f"{instance.id} has no answer to reward by; leave it out of the instances")
        return "val"
    splits: tuple[Split, ...] = ("val", "test", "visible")
    for split in splits:
        if tests_of(instance, split):
            return split
    raise UsageError(f"{instance.id} has no tests to reward by; leave it out of the instances")


def draw_instances(task: Task, count: int, seed: int) -> tuple[Problem, ...]:
    """So many problems of the task, the same for the same seed: all of a group's candidates get these.

    Raises UsageError where there are too few.
    """
    if count > len(task.problems):
        raise UsageError(
            f"the task {task.name} has {len(task.problems)} problems: take at most as many instances"
        )
    return tuple(Random(derived_seed(seed, "instances")).sample(task.problems, count))


@dataclass(frozen=True)
class TaskRequest:
    """One candidate's workflow for a task, and the `instances` to run it on, at most `at_once` at a time.

    `config.operators` is the set it is written for, `config.worker_seed` the group's. Its examples are drawn
    by the latter, never from the instances.
    """

    task: Task
    instances: tuple[Problem, ...]
    policy: PolicyModel
    config: RunConfig
    origin: Origin = field(default_factory=Origin)
    at_once: int = 10

    async def carry_out(self, gym: Gym) -> Rollout:
        """Carry it out in this gym: the writing is a run, and so is each instance.

        Raises UsageError where an instance has nothing to be scored on, and StoreError where events cannot be
        stored.
        """
        splits: list[Split] = [scored_on(instance) for instance in self.instances]
        reading, built = Reading(self.policy), None

        async def job(context: RunContext) -> Result:
            nonlocal built
            built = await write(
                context, self.task, self._examples(), derived_seed(context.config.seed, "meta")
            )
            if isinstance(built, Rejected):
                return Result(None, None, None, None, "the workflow cannot run")
            return Result(None, None, None, built.id)

        problem = Problem(f"a workflow for {self.task.name}", self.task.description, kind="open")
        run_id = await gym.run(problem, self.policy, self.config, self.origin, reading, job=job)
        rollout = reading.rollout(run_id, self.origin)
        if not isinstance(built, Workflow):
            return rollout
        slots = asyncio.Semaphore(self.at_once)
        work = [
            asyncio.ensure_future(self._instance(gym, slots, built, instance, split))
            for instance, split in zip(self.instances, splits, strict=True)
        ]
        try:
            instances = await asyncio.gather(*work)
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return _with_instances(rollout, instances)

    def _examples(self) -> Sequence[Problem]:
        """Problems of the task that are shown with it, without tests or answers."""
        count = options_of(MetaFlowOptions, self.config.options).examples
        instance_ids = {instance.id for instance in self.instances}
        others = [problem for problem in self.task.problems if problem.id not in instance_ids]
        draw = Random(derived_seed(self.config.draws_from, "examples"))
        return draw.sample(others, min(count, len(others)))

    async def _instance(
        self, gym: Gym, slots: asyncio.Semaphore, workflow: Workflow, instance: Problem, split: Split
    ) -> InstanceOutcome:
        """The workflow on one instance; a failure of the sandbox or an endpoint is tried once more."""
        # Each instance draws its own numbers, the same for every candidate.
        seed = derived_seed(self.config.draws_from, instance.id)
        config = replace(self.config, repeats=1, worker_seed=seed)
        async with slots:
            for attempt in range(1, _ATTEMPTS + 1):
                end = _End()
                job = workflow_job(workflow, split)
                run_id = await gym.run(instance, self.policy, config, self.origin, end, job=job)
                if end.status not in NO_VERDICT or attempt == _ATTEMPTS:
                    return InstanceOutcome(run_id, instance.id, end.status, end.score)
        raise AssertionError("unreachable: the last attempt returns")


class _End:
    """How a run ended."""

    status = "cancelled"
    score: float | None = None

    def add(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            self.status = event.status
            unknown = event.val_score is None and event.status in NO_VERDICT
            self.score = None if unknown else event.val_score or 0.0


def _with_instances(rollout: Rollout, instances: Sequence[InstanceOutcome]) -> Rollout:
    """The rollout with the score of its one round: the share of instances solved."""
    rounds: list[RoundOutcome] = [replace(one, score=pass_share(instances)) for one in rollout.rounds]
    return replace(rollout, rounds=tuple(rounds), instances=tuple(instances))
