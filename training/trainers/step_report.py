"""What a step's rollouts come to: the numbers of the step, and a line for each candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.rollouts.advantages import Advantages
from training.rollouts.counters import counters
from training.rollouts.rewards import Reward
from training.rollouts.rollouts import Rollout


@dataclass(frozen=True)
class Told:
    """One candidate, as ranks send it to each other: its rollout without the prompts' tokens."""

    problem: str
    rollout: Rollout
    reward: Reward

    @classmethod
    def of(cls, problem: str, rollout: Rollout, reward: Reward) -> Told:
        """The candidate for problem or task `problem`, without the tokens that other ranks do not need."""
        calls = tuple(replace(call, prompt=[], logps=[]) for call in rollout.calls)
        return cls(problem, replace(rollout, calls=calls), reward)

    @property
    def rewards(self) -> list[float]:
        """Of the rounds it played; none where it was dropped."""
        return [] if self.reward.dropped else [value for value in self.reward.rounds if not math.isnan(value)]

    @property
    def score(self) -> float | None:
        """The last round's on `val`."""
        scores = [one.score for one in self.rollout.rounds if one.score is not None]
        return scores[-1] if scores else None

    def to_json(self, advantages: Sequence[float]) -> dict[str, Any]:
        """As `progress.jsonl` has it. The reward is the last round's, which one that stopped early holds.

        `weights` are the fewest and the most steps that the weights had which a server sampled it with.
        """
        versions = [call.version for call in self.rollout.calls if call.version is not None]
        return {
            "run": self.rollout.run_id,
            "score": self.score,
            "reward": self.rewards[-1] if self.rewards else None,
            "rounds": self.rewards,
            "advantages": [float(advantage) for advantage in advantages[: len(self.rewards)]],
            "words": self.reward.dropped or "; ".join(self.reward.words),
            **({"weights": [min(versions), max(versions)]} if versions else {}),
        }


def groups_json(told: Sequence[Told], groups: Sequence[Advantages], step: int) -> list[dict[str, Any]]:
    """The step's groups; candidates of all ranks come in order, group after group."""
    size = len(told) // len(groups)
    return [
        {
            "group": f"{step}.{number}",
            "problem": told[number * size].problem,
            "candidates": [
                one.to_json(group.values[place])
                for place, one in enumerate(told[number * size : (number + 1) * size])
            ],
        }
        for number, group in enumerate(groups)
    ]


def step_values(told: Sequence[Told], groups: Sequence[Advantages]) -> dict[str, float | None]:
    """The numbers of a step, of all ranks' candidates; None where there is nothing to take a mean of."""
    size = len(told) // len(groups)
    last = [one.rewards[-1] if one.rewards else math.nan for one in told]
    by_group = [
        [value for value in last[n : n + size] if not math.isnan(value)] for n in range(0, len(last), size)
    ]
    return {
        "reward_mean": mean([value for value in last if not math.isnan(value)]),
        "reward_std": mean([float(np.std(of_group)) for of_group in by_group if of_group]),
        "val_score_mean": mean([one.score for one in told if one.score is not None]),
        "no_signal_share": mean([float(not group.has_signal) for group in groups]),
        "advantage_max": max(float(np.abs(group.values).max(initial=0.0)) for group in groups),
        **counters([one.rollout for one in told], [one.reward for one in told]),
    }


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None
