"""What groups are about: problems that may be learned from, and the operators each group writes with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.benchmarks import load_benchmark
from engine.benchmarks.splits import split
from engine.ids import derived_seed
from engine.operators.metaflow_sets import renamed
from engine.operators.own import load_set
from engine.operators.specs import OperatorSet
from engine.problems import Problem, ProblemError
from sandbox.errors import UsageError
from training.recipes.kinds import Rollouts


@dataclass(frozen=True)
class OperatorSets:
    """The operator sets of a run: those that groups draw from, and the one that none has."""

    trained: Sequence[OperatorSet]
    others: Sequence[OperatorSet]
    """What the trained ones are made of when they get other names; empty where none does."""
    held_out: OperatorSet | None
    share: float
    """Of the groups, that have other names."""
    seed: int

    @classmethod
    def of(cls, rollouts: Rollouts, seed: int) -> OperatorSets:
        """Raises UsageError: there is no such set, or its operators have no other names."""
        names = rollouts.operators if rollouts.renamed else []
        others = [load_set(n if n.endswith(".toml") else n.partition("~")[0]) for n in names]
        for one in others:
            renamed(one, 0)
        held_out = load_set(rollouts.held_out) if rollouts.held_out else None
        trained = [load_set(name) for name in rollouts.operators]
        return cls(trained, others, held_out, rollouts.renamed, seed)

    def of_group(self, step: int, group: int) -> OperatorSet:
        """The set that all candidates of a group write with."""
        place = derived_seed(self.seed, "operators", step, group) % len(self.trained)
        random = Random(derived_seed(self.seed, "renamed", step, group))
        if random.random() >= self.share:
            return self.trained[place]
        return renamed(self.others[place], random.randrange(10**9))


def places(step: int, count: int, queries: int, seed: int) -> list[int]:
    """Which of `count` subjects step `step` (from 0) takes: each pass over them in an order of its own.

    A pass leaves out what is left of it when it does not fill a step. It is the order in which TRL goes over
    a data set in a run that is not interrupted, but depends on the step alone.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    numbers = list(range(count)) * math.ceil(queries / count)  # fewer than a step takes come again in it
    number, at = divmod(step, len(numbers) // queries)
    for _ in range(number):
        torch.randperm(len(numbers), generator=generator)
    order = torch.randperm(len(numbers), generator=generator).tolist()
    return [numbers[place] for place in order[at * queries : (at + 1) * queries]]


def reported_problems(names: Sequence[str], data: Path | None) -> frozenset[str]:
    """The ids of the problems that `names` (`humaneval`, `mbpp:flowreasoner/test`) stand for.

    Raises UsageError: there is no such benchmark or part, or its data is not here.
    """
    ids: set[str] = set()
    for name in names:
        benchmark, _, division = name.partition(":")
        try:
            problems = load_benchmark(benchmark, data)
            ids.update(problem.id for problem in (split(problems, division) if division else problems))
        except ProblemError as error:
            raise UsageError(f"data.reported: {name}: {error}") from None
    return frozenset(ids)


def refuse_reported(problems: Sequence[Problem], reported: frozenset[str]) -> None:
    """Raises UsageError: one of the problems to learn from is reported on."""
    if leaked := sorted(problem.id for problem in problems if problem.id in reported):
        more = f" and {len(leaked) - 1} more" if len(leaked) > 1 else ""
        raise UsageError(
            f"the data set holds {leaked[0]}{more}, which data.reported or the probe reports on: leave them "
            "out with `flowreasoner dataset build grpo --against`, or train on the split's other part"
        )
