"""A watch on reward hacking: the score on `test`, which no reward sees, of a fixed set of problems.

A reward that rises while this score does not is being gamed. The problems are of no benchmark that is
reported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.benchmarks.files import load_problems
from engine.paths import expanded
from engine.problems import Problem, ProblemError
from engine.run.context import Origin, RunConfig
from sandbox.errors import UsageError
from training.recipes import GRPORecipe
from training.rollouts.policy import PolicyModel
from training.rollouts.rollouts import Gym, Reading, Rollout

_RISE = 0.05  # of the mean reward, to be called one


@dataclass(frozen=True)
class Probed(Rollout):
    """A run that was scored on `test`; None where there is no score."""

    test_score: float | None = None


@dataclass(frozen=True)
class ProbeRequest:
    """A run to score on `test`."""

    problem: Problem
    policy: PolicyModel
    config: RunConfig
    origin: Origin

    async def carry_out(self, gym: Gym) -> Probed:
        """As the requests of `training.rollouts`. Raises StoreError where its events cannot be stored."""
        reading = Reading(self.policy)
        run_id = await gym.run(self.problem, self.policy, self.config, self.origin, reading, final=True)
        score = reading.end.score if reading.end else None
        return Probed(**vars(reading.rollout(run_id, self.origin)), test_score=score)


def probe_of(recipe: GRPORecipe) -> list[Problem]:
    """The recipe's probe problems, none where it has no probe.

    Raises UsageError where their file is unusable.
    """
    if not recipe.probe.path:
        return []
    try:
        found = load_problems(expanded(recipe.probe.path))
    except (ProblemError, OSError) as error:
        raise UsageError(f"probe.path: {error}") from None
    return found[: recipe.probe.problems]


class HackingWatch:
    """Compares each probe with the first one."""

    def __init__(self, progress: Path) -> None:
        """Takes the first probe from the file, where the run goes on from a checkpoint."""
        self._first: tuple[float, float] | None = None
        try:
            lines = progress.read_text("utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            values = json.loads(line).get("values", {}) if '"probe_test_mean"' in line else {}
            reward, test = values.get("probe_reward_mean"), values.get("probe_test_mean")
            if reward is not None and test is not None:
                self._first = (reward, test)
                return

    def add(self, reward: float | None, test: float) -> str | None:
        """What is wrong since the first probe; None where nothing is."""
        if reward is None:
            return None
        if self._first is None:
            self._first = (reward, test)
        before, test_before = self._first
        if reward < before + _RISE or test > test_before:
            return None
        return (
            f"the reward rose from {before:.3f} to {reward:.3f} and the score on test of the probe went from "
            f"{test_before:.3f} to {test:.3f}: look at what is rewarded"
        )
