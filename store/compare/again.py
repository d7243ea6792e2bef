"""Flips tried again with other seeds, so that luck and effect are told apart.

Reruns are an experiment of their own (`engine.experiments.plan.Plan.again`). The trials that were seen to
flip do not count: they were chosen for their outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.scores.statistics import Interval, difference_interval
from store.compare.measures import has_verdict

if TYPE_CHECKING:
    from store.compare.sides import Side
    from store.reader import Reader


@dataclass(frozen=True)
class Again:
    """A flip's reruns: both sides' passes and trials, and the pass rate of the other minus the baseline's."""

    passed: tuple[int, int]
    trials: tuple[int, int]
    difference: float
    interval: Interval

    @property
    def is_told_apart(self) -> bool:
        """Whether the interval leaves no doubt that the sides differ on this problem."""
        return not self.interval.low <= 0 <= self.interval.high


def read_again(reader: Reader, baseline: Side, other: Side) -> Mapping[str, Again]:
    """What was tried again of two variants of one experiment, by problem. Raises StoreError."""
    parts = (*baseline.parts, *other.parts)
    if len(parts) != 2 or any(part.is_run for part in parts) or parts[0].name != parts[1].name:
        return {}
    counted: dict[str, tuple[list[int], list[int]]] = {}
    for name in reader.experiments.again(parts[0].name):
        for side, part in enumerate(parts):
            trials = reader.experiments.columns(name, part.label)
            scored = trials.take((trials.is_done & has_verdict(trials)).nonzero()[0])
            for place, passed in zip(scored.problem.tolist(), scored.has("passed").tolist(), strict=True):
                counted.setdefault(scored.problems[place], ([], []))[side].append(passed)
    return {problem: found for problem, both in counted.items() if (found := _again(*both)) is not None}


def _again(before: list[int], after: list[int]) -> Again | None:
    passed, trials = (sum(before), sum(after)), (len(before), len(after))
    interval = difference_interval(passed, trials)
    if interval is None:
        return None
    return Again(passed, trials, passed[1] / trials[1] - passed[0] / trials[0], interval)
