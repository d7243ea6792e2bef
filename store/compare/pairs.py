"""Two sides paired by problem: every statement is about the same problems on both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.scores.statistics import Interval, mcnemar, mean_intervals
from store.compare.measures import BY_KEY, MEASURES, Key, Measure, by_problem, is_scored

if TYPE_CHECKING:
    import numpy as np

    from store.compare.sides import Side
    from store.experiment_reader import TrialRow

Outcome = Literal["gained", "lost", "better", "worse", "same", "unscored"]


class Delta(NamedTuple):
    """The mean of other minus baseline over `problems` problems that have both; `interval` of that mean."""

    value: float
    interval: Interval | None
    problems: int


@dataclass(frozen=True)
class ProblemPair:
    """One problem on both sides; each tuple is (baseline, other).

    `outcome` is the other's: "gained" and "lost" are differing pass rates (a flip, where there is one trial
    each), "better" and "worse" differing scores at the same pass rate. `passed` and `trials` count the scored
    trials, `scores` are means in [0, 1]. `runs` are trials to look at: where the problem flipped, ones that
    show it.
    """

    benchmark: str
    problem_id: str
    outcome: Outcome
    passed: tuple[int, int]
    trials: tuple[int, int]
    scores: tuple[float | None, float | None]
    runs: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """A side against the baseline. `gained` and `lost` problems are what McNemar's test (`p_value`) is
    about; wins, losses and ties are by mean score. Both are None where nothing was scored on both sides.

    `only_baseline` and `only_other` are problems with a verdict on one side only; they are in no number here.
    """

    baseline: str
    other: str
    problems: tuple[ProblemPair, ...]
    only_baseline: tuple[Key, ...]
    only_other: tuple[Key, ...]
    deltas: Mapping[str, Delta]
    scored: int
    gained: int
    lost: int
    wins: int
    losses: int
    ties: int
    p_value: float | None

    @property
    def flips(self) -> tuple[ProblemPair, ...]:
        """Problems whose pass rates differ, in the baseline's order."""
        return tuple(p for p in self.problems if p.outcome in ("gained", "lost"))

    @property
    def differing(self) -> tuple[ProblemPair, ...]:
        """Problems with a different pass rate or score, in the baseline's order."""
        return tuple(p for p in self.problems if p.outcome not in ("same", "unscored"))


def pair(baseline: Side, other: Side, *, named: bool) -> Pair:
    """Compare two sides problem by problem; `named` keeps problems of different benchmarks apart."""
    left, right = by_problem(baseline, named=named), by_problem(other, named=named)
    shared = [key for key in left if key in right]
    problems = tuple(_problem(key, left[key], right[key]) for key in shared)
    scored = [p for p in problems if p.outcome != "unscored"]
    differences = [
        p.scores[1] - p.scores[0] for p in scored if p.scores[0] is not None and p.scores[1] is not None
    ]
    gained = sum(p.outcome == "gained" for p in scored)
    lost = sum(p.outcome == "lost" for p in scored)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    return Pair(
        baseline.letter,
        other.letter,
        problems,
        tuple(key for key in left if key not in right),
        tuple(key for key in right if key not in left),
        _deltas(left, right, shared),
        len(scored),
        gained,
        lost,
        wins,
        losses,
        len(scored) - wins - losses,
        mcnemar(gained, lost) if scored else None,
    )


def _problem(key: Key, left: Sequence[TrialRow], right: Sequence[TrialRow]) -> ProblemPair:
    counted = [[t for t in rows if is_scored(t)] for rows in (left, right)]
    passed = tuple(sum([t.status == "passed" for t in rows]) for rows in counted)
    scores = (_mean(BY_KEY["score"], left), _mean(BY_KEY["score"], right))
    trials = (len(counted[0]), len(counted[1]))
    outcome = _outcome(passed, trials, scores)
    runs = _to_look_at(left, right, outcome)
    return ProblemPair(*key, outcome, (passed[0], passed[1]), trials, scores, runs)


def _outcome(passed: Sequence[int], trials: Sequence[int], scores: Sequence[float | None]) -> Outcome:
    first, second = scores
    if first is None or second is None:
        return "unscored"
    # a/b against c/d without rounding
    before, after = passed[0] * trials[1], passed[1] * trials[0]
    if before != after:
        return "gained" if after > before else "lost"
    if first == second:
        return "same"
    return "better" if second > first else "worse"


def _to_look_at(left: Sequence[TrialRow], right: Sequence[TrialRow], outcome: Outcome) -> tuple[str, str]:
    def first(rows: Sequence[TrialRow], passed: bool) -> str:
        return next((t for t in rows if (t.status == "passed") == passed), rows[0]).run_id

    if outcome in ("gained", "lost"):
        return first(left, outcome == "lost"), first(right, outcome == "gained")
    return left[0].run_id, right[0].run_id


def _mean(measure: Measure, rows: Sequence[TrialRow]) -> float | None:
    if len(rows) == 1:  # by far the most there are
        return measure.of(rows[0])
    values = [value for row in rows if (value := measure.of(row)) is not None]
    return statistics.fmean(values) if values else None


def _means(measure: Measure, problems: Sequence[Sequence[TrialRow]]) -> np.ndarray:
    """The measure's mean for each problem, NaN where no trial of it has such a value."""
    import numpy as np

    if all(len(rows) == 1 for rows in problems):  # by far the most comparisons
        return np.array([measure.of(row) for (row,) in problems], float)
    return np.array([_mean(measure, rows) for rows in problems], float)


def _deltas(
    left: Mapping[Key, Sequence[TrialRow]], right: Mapping[Key, Sequence[TrialRow]], shared: Sequence[Key]
) -> dict[str, Delta]:
    """The paired difference of every measure that some problem has on both sides.

    Measures that the same problems have share one bootstrap.
    """
    import numpy as np

    before, after = [left[key] for key in shared], [right[key] for key in shared]
    rows: dict[str, np.ndarray] = {}
    groups: dict[bytes, list[str]] = {}
    for measure in MEASURES:
        differences = _means(measure, after) - _means(measure, before)
        known = ~np.isnan(differences)
        if known.any():
            rows[measure.key] = differences[known]
            groups.setdefault(known.tobytes(), []).append(measure.key)
    deltas: dict[str, Delta] = {}
    for keys in groups.values():
        intervals = mean_intervals([rows[key] for key in keys])
        for key, interval in zip(keys, intervals, strict=True):
            deltas[key] = Delta(statistics.fmean(rows[key].tolist()), interval, len(rows[key]))
    return {key: deltas[key] for key in rows}
