"""What a step's rollouts come to, as numbers of the step and as a line for each candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.rollouts.advantages import Advantages
from training.rollouts.rewards import Reward, shape
from training.rollouts.rollouts import Rollout


@dataclass(frozen=True)
class Told:
    """One candidate, in what ranks can send to each other."""

    group: int
    candidate: int
    problem: str
    run: str
    score: float | None
    rounds: list[float | None]
    advantages: list[float]
    words: str
    dropped: bool
    valid: list[bool]  # of each call that was looked at
    thought: list[bool]  # of each call
    tokens: list[int]  # of each call's completion
    shapes: list[str]  # of each workflow that can run

    @classmethod
    def of(
        cls,
        problem: str,
        rollout: Rollout,
        rewarded: Reward,
        advantages: NDArray[np.float64],
        group: int,
        candidate: int,
    ) -> Told:
        played = len(rollout.rounds)
        scores = [r.score for r in rollout.rounds if r.score is not None]
        return cls(
            group=group,
            candidate=candidate,
            problem=problem,
            run=rollout.run_id,
            score=scores[-1] if scores else None,
            rounds=[None if math.isnan(x) else x for x in rewarded.rounds],
            advantages=[] if rewarded.dropped else [float(a) for a in advantages[:played]],
            words=rewarded.dropped or "; ".join(rewarded.words),
            dropped=bool(rewarded.dropped),
            valid=[call.valid for call in rollout.calls if call.valid is not None],
            thought=[call.thought for call in rollout.calls],
            tokens=[len(call.completion) for call in rollout.calls],
            shapes=[shape(r.code) for r in rollout.rounds if r.valid],
        )

    @property
    def reward(self) -> float | None:
        """The last round's, which a candidate that stopped early holds."""
        known = [x for x in self.rounds if x is not None]
        return known[-1] if known and not self.dropped else None

    def to_json(self) -> dict[str, Any]:
        """A candidate as `progress.jsonl` has it."""
        return {
            "run": self.run,
            "score": self.score,
            "reward": self.reward,
            "rounds": self.rounds,
            "advantages": self.advantages,
            "words": self.words,
        }


def step_values(told: Sequence[Told], groups: Sequence[Advantages]) -> dict[str, float | None]:
    """The numbers of a step, of all ranks' candidates; None where there is nothing to take a mean of."""
    rewards = [t.reward for t in told if t.reward is not None]
    stds = [
        np.std(r)
        for n in range(len(groups))
        if (r := [t.reward for t in told if t.group == n and t.reward is not None])
    ]
    return {
        "reward_mean": _mean(rewards),
        "reward_std": _mean(stds),
        "val_score_mean": _mean([t.score for t in told if t.score is not None]),
        "no_signal_share": _mean([not g.has_signal for g in groups]),
        "completion_tokens": _mean([n for t in told for n in t.tokens]),
        "valid_share": _mean([v for t in told for v in t.valid]),
        "same_workflow_share": _mean([again for n in range(len(groups)) for again in _again(told, n)]),
        "empty_thinking_share": _mean([not thought for t in told for thought in t.thought]),
        "dropped_rollouts": float(sum(t.dropped for t in told)),
        "advantage_max": max((abs(a) for t in told for a in t.advantages), default=None),
    }


def _again(told: Sequence[Told], group: int) -> list[bool]:
    """For each workflow of a group, whether an earlier one of it has the same shape."""
    seen: set[str] = set()
    out = []
    for one in told:
        for found in one.shapes if one.group == group else ():
            out.append(found in seen)
            seen.add(found)
    return out


def _mean(values: Sequence[Any]) -> float | None:
    return float(np.mean(values)) if len(values) else None
