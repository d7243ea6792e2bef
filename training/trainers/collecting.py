"""One step's rollouts: from problems to rows with advantages, and what is told of them.

With a server, the next step's rollouts are under way while the optimizer works.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from engine.ids import derived_seed
from engine.models.base import Sampling
from engine.models.local.chat import Chat
from engine.operators.specs import OperatorSet
from engine.problems import Problem
from engine.run.context import Origin, RunConfig
from engine.run.limits import ExecutionLimits
from engine.tasks import Task
from training.recipes import GRPORecipe
from training.rollouts.advantages import (
    Advantages,
    AdvantageSettings,
    call_advantages,
    process_advantages,
)
from training.rollouts.calls import rows
from training.rollouts.policy import PolicyModel
from training.rollouts.rewards import Reward, RewardSettings, reward, stale
from training.rollouts.rollouts import Request, Rollout, RolloutRequest
from training.rollouts.tasks import TaskRequest, draw_instances
from training.trainers.generation import Generation, Seconds
from training.trainers.hooks import Hooks
from training.trainers.probe import Probed, ProbeRequest
from training.trainers.step_report import Told, groups_json, mean, step_values
from training.trainers.subjects import OperatorSets, places
from training.trainers.trl_points import TrainedRow


@dataclass(frozen=True)
class Begun:
    """A step's rollouts under way; `places` are each one's group and candidate."""

    requests: Sequence[RolloutRequest | TaskRequest]
    places: Sequence[tuple[int, int]]
    rollouts: Future[list[Rollout]]


@dataclass
class Collector:
    """Makes a step's rows. Its inputs say no more than how many candidates are this rank's part.

    A subject is a problem, or a task that one workflow is written for.
    """

    recipe: GRPORecipe
    job: str
    subjects: Sequence[Problem] | Sequence[Task]
    operators: OperatorSets
    generation: Generation
    probe: Sequence[Problem]
    chat: Chat
    hooks: Hooks
    begun: dict[int, Begun] = field(default_factory=dict)
    """By step."""

    def __call__(self, inputs: Sequence[Mapping[str, Any]]) -> list[TrainedRow]:
        """Collective: every rank calls it. Raises ExpectedError."""
        step = self.hooks.trainer.state.global_step
        spent = self.generation.update(step)
        watched = self._probe(step) | self._held_out(step)
        begun = self.begun.pop(step, None) or self._begin(step, len(inputs))
        rollouts, seconds = self._finish(begun.rollouts)
        self.generation.confirm()
        if self.generation.is_ahead and step + 1 < self.recipe.steps and not self.hooks.stopping:
            self.begun[step + 1] = self._begin(step + 1, len(inputs))
        self.hooks.values |= watched
        began = time.perf_counter()
        rewards = [self._reward(rollout, step) for rollout in rollouts]
        groups = self._groups(rewards)
        out, long = self._rows(rollouts, rewards, groups, begun.places)
        self._tell(step, begun.requests, rollouts, rewards, groups, long)
        seconds["seconds_other"] = time.perf_counter() - began + (spent.get("seconds_weights") or 0.0)
        self.hooks.values |= spent | seconds
        return out

    def _begin(self, step: int, count: int) -> Begun:
        """Begin this rank's rollouts of a step, `count` of them."""
        group, rank = self.recipe.rollouts.group, self.hooks.trainer.accelerator.process_index
        numbers = places(step, len(self.subjects), self.recipe.rollouts.queries, self.recipe.seed)
        mine = [divmod(rank * count + n, group) for n in range(count)]
        requests = [self._request(self.subjects[numbers[place[0]]], step, *place) for place in mine]
        return Begun(requests, mine, self.generation.start(requests))

    def _reward(self, rollout: Rollout, step: int) -> Reward:
        """What a rollout is worth for the step that trains on it; nothing where its weights are too old."""
        versions = [call.version for call in rollout.calls if call.version is not None]
        given = reward(rollout, self.recipe.rollouts.rounds, self.reward_settings)
        age = step - min(versions, default=step)
        return stale(given, age) if age > self.recipe.generation.max_staleness else given

    @property
    def reward_settings(self) -> RewardSettings:
        """The recipe's `reward` section, as `training.rollouts.rewards` takes it."""
        given = self.recipe.reward
        return RewardSettings(
            pass_rate=given.pass_rate,
            complexity=given.complexity,
            distinctness=given.distinctness,
            invalid=given.invalid,
            cut=given.cut,
        )

    @property
    def advantage_settings(self) -> AdvantageSettings:
        """The recipe's `advantages` section, as `training.rollouts.advantages` takes it."""
        given = self.recipe.advantages
        return AdvantageSettings(
            k=given.k,
            T=given.after,
            form=given.form,
            scale=given.scale,
            floor=given.floor,
            hold=given.hold,
            center=given.center,
            limit=given.max_abs,
        )

    def _request(
        self, subject: Problem | Task, step: int, group: int, candidate: int
    ) -> RolloutRequest | TaskRequest:
        seed = self.recipe.seed
        config = self._config(
            self.operators.of_group(step, group),
            derived_seed(seed, "policy", step, group, candidate),
            derived_seed(seed, "worker", step, group),
        )
        origin = Origin(job=self.job, step=step, group=f"{step}.{group}", candidate=candidate)
        if isinstance(subject, Task):
            return self._task_request(subject, config, origin)
        return RolloutRequest(subject, self._policy(), config, origin)

    def _task_request(self, task: Task, config: RunConfig, origin: Origin) -> TaskRequest:
        instances = draw_instances(task, self.recipe.rollouts.instances, config.draws_from)
        return TaskRequest(task, instances, self._policy(), config, origin)

    def _policy(self) -> PolicyModel:
        return PolicyModel(f"job:{self.job}", self.chat, self.generation.source)

    def _config(self, operators: OperatorSet, seed: int, worker_seed: int | None = None) -> RunConfig:
        rollouts = self.recipe.rollouts
        return RunConfig(
            variant=rollouts.variant,
            rounds=rollouts.rounds,
            repeats=rollouts.repeats,
            seed=seed,
            worker_seed=worker_seed,
            stop_early=rollouts.stop_early,
            operators=operators,
            meta_sampling=Sampling(rollouts.temperature, rollouts.top_p, rollouts.max_tokens),
            execution_limits=ExecutionLimits(**rollouts.limits.model_dump()),
        )

    def _probe(self, step: int) -> dict[str, float | None]:
        """Where it is time for it, the mean score on `test` of the probe's problems."""
        from accelerate.utils import gather_object

        if not self.probe or step % self.recipe.probe.every:
            return {}
        accelerator = self.hooks.trainer.accelerator
        requests = [
            ProbeRequest(
                problem,
                self._policy(),
                self._config(self.operators.trained[0], derived_seed(self.recipe.seed, "probe", problem.id)),
                Origin(job=self.job, step=step, group="probe"),
            )
            for problem in self.probe[accelerator.process_index :: accelerator.num_processes]
        ]
        probed = self._carry_out(requests)[0] if requests else []
        mine = [one.test_score for one in probed if isinstance(one, Probed)]
        scores = [score for score in gather_object(mine) if score is not None]
        return {"probe_test_mean": sum(scores) / len(scores) if scores else None}

    def _held_out(self, step: int) -> dict[str, float | None]:
        """Where it is time for it, what the policy's workflows of the set that no group has are worth."""
        from accelerate.utils import gather_object

        operators, accelerator = self.operators.held_out, self.hooks.trainer.accelerator
        if operators is None or step % self.recipe.probe.every:
            return {}
        requests = [
            self._task_request(
                subject,
                self._config(operators, derived_seed(self.recipe.seed, "held-out", subject.name)),
                Origin(job=self.job, step=step, group="held-out"),
            )
            for subject in self.subjects[accelerator.process_index :: accelerator.num_processes]
            if isinstance(subject, Task)
        ]
        rollouts = self._carry_out(requests)[0] if requests else []
        rewards = [reward(r, self.recipe.rollouts.rounds, self.reward_settings) for r in rollouts]
        known = gather_object(
            [
                (one.rounds[0], float(rollout.rounds[0].valid if rollout.rounds else False))
                for one, rollout in zip(rewards, rollouts, strict=True)
                if not math.isnan(one.rounds[0])
            ]
        )
        return {
            "held_out_reward_mean": mean([value for value, _ in known]),
            "held_out_valid_share": mean([valid for _, valid in known]),
        }

    def _carry_out(self, requests: Sequence[Request]) -> tuple[list[Rollout], Seconds]:
        """Begin and finish rollouts."""
        return self._finish(self.generation.start(requests))

    def _finish(self, started: Future[list[Rollout]]) -> tuple[list[Rollout], Seconds]:
        try:
            with self.hooks.can_leave():
                return self.generation.finish(started)
        except BaseException:
            started.cancel()
            raise

    def _groups(self, rewards: Sequence[Reward]) -> list[Advantages]:
        """The advantages of all groups of the step, whatever ranks their candidates are on."""
        import torch

        accelerator = self.hooks.trainer.accelerator
        mine = torch.tensor([one.rounds for one in rewards], dtype=torch.float64, device=accelerator.device)
        whole = accelerator.gather(mine).cpu().numpy()
        size = self.recipe.rollouts.group
        return [
            process_advantages(whole[n : n + size], self.advantage_settings)
            for n in range(0, len(whole), size)
        ]

    def _rows(
        self,
        rollouts: Sequence[Rollout],
        rewards: Sequence[Reward],
        groups: Sequence[Advantages],
        places: Sequence[tuple[int, int]],
    ) -> tuple[list[TrainedRow], int]:
        """The rows of all rollouts, and how many were left out because they are too long."""
        made, long = [], 0
        for rollout, rewarded, (group, candidate) in zip(rollouts, rewards, places, strict=True):
            if rewarded.dropped:
                continue
            values = call_advantages(rollout.calls, groups[group], candidate, self.recipe.reward.invalid)
            own = []
            for row in rows(rollout.calls):
                if len(row.prompt) + len(row.completion) > self.recipe.data.max_length:
                    long += 1
                    continue
                mask = [0 if owner is None else 1 for owner in row.owners]
                own.append(TrainedRow(row.prompt, row.completion, row.of_calls(values), mask, row.logps))
            made.append(own)
        if self.recipe.objective.per == "rollout":
            made = self._by_rollout(made)
        return [row for own in made for row in own], long

    def _by_rollout(self, made: Sequence[list[TrainedRow]]) -> list[list[TrainedRow]]:
        import torch

        accelerator = self.hooks.trainer.accelerator
        learned = [_learned(own) for own in made]
        mine = torch.tensor([[float(sum(learned)), float(sum(n > 0 for n in learned))]])
        tokens, count = accelerator.gather(mine.to(accelerator.device)).sum(0).tolist()
        return [per_rollout(own, tokens, count) for own in made]

    def _tell(
        self,
        step: int,
        requests: Sequence[RolloutRequest | TaskRequest],
        rollouts: Sequence[Rollout],
        rewards: Sequence[Reward],
        groups: Sequence[Advantages],
        long: int,
    ) -> None:
        from accelerate.utils import gather_object

        mine = [
            Told.of(_name(request), rollout, rewarded)
            for request, rollout, rewarded in zip(requests, rollouts, rewards, strict=True)
        ]
        told: list[Told] = gather_object(mine)
        left_out = sum(gather_object([long]))
        self.hooks.values |= step_values(told, groups)
        text = f"{left_out} calls of step {step + 1} are longer than data.max_length and not trained on"
        self.hooks.check("long", left_out > 0, text)
        self.hooks.tell("rollouts", step=step + 1, groups=groups_json(told, groups, step))


def _name(request: RolloutRequest | TaskRequest) -> str:
    return request.task.name if isinstance(request, TaskRequest) else request.problem.id


def per_rollout(rows: list[TrainedRow], tokens: float, count: float) -> list[TrainedRow]:
    """One rollout's rows, weighed so that the step's mean over all its `tokens` becomes a mean over its
    `count` rollouts of the mean over each one's tokens.
    """
    own = _learned(rows)
    factor = tokens / (count * own) if own else 1.0
    return [replace(row, advantages=[advantage * factor for advantage in row.advantages]) for row in rows]


def _learned(rows: Sequence[TrainedRow]) -> int:
    return sum(sum(row.mask) for row in rows)
