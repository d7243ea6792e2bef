"""Two sides paired by problem: every statement is about the same problems on both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args, overload

from engine.scores.statistics import Interval, mcnemar, mean_intervals
from store.compare.measures import BY_KEY, MEASURES, has_verdict, mean
from store.compare.problems import ByProblem, Key

if TYPE_CHECKING:
    import numpy as np

Outcome = Literal["gained", "lost", "better", "worse", "same", "unscored"]
_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_AT_ONCE = 1_000  # problems that are objects at the same time


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


class _Columns(NamedTuple):
    """Problems by their last axis. `problem` are places among the baseline's, `outcome` in `_OUTCOMES`, and
    `runs` among the trials of either side; the others are as in `ProblemPair`, with NaN for None.
    """

    problem: np.ndarray
    outcome: np.ndarray
    passed: np.ndarray
    trials: np.ndarray
    scores: np.ndarray
    runs: np.ndarray


class ProblemPairs(Sequence[ProblemPair]):
    """Problems on both sides, kept as columns: the object of one is made when it is looked at."""

    def __init__(
        self, keys: Sequence[Key], run_ids: tuple[Sequence[str], Sequence[str]], columns: _Columns
    ) -> None:
        self._keys, self._run_ids, self._columns = keys, run_ids, columns

    def __len__(self) -> int:
        return len(self._columns.outcome)

    @overload
    def __getitem__(self, index: int) -> ProblemPair: ...
    @overload
    def __getitem__(self, index: slice) -> ProblemPairs: ...
    def __getitem__(self, index: int | slice) -> ProblemPair | ProblemPairs:
        if isinstance(index, slice):
            return self._taken(index)
        place = range(len(self))[index]
        return next(self._taken(slice(place, place + 1))._made())

    def __iter__(self) -> Iterator[ProblemPair]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._taken(slice(start, start + _AT_ONCE))._made()

    def of(self, *outcomes: Outcome) -> ProblemPairs:
        """The problems with one of these outcomes."""
        import numpy as np

        return self._taken(np.array([one in outcomes for one in _OUTCOMES])[self._columns.outcome])

    def _taken(self, which: np.ndarray | slice) -> ProblemPairs:
        columns = _Columns(*(column[..., which] for column in self._columns))
        return ProblemPairs(self._keys, self._run_ids, columns)

    def _made(self) -> Iterator[ProblemPair]:
        first, second = self._run_ids
        for place, outcome, passed, trials, scores, runs in zip(
            *(column.T.tolist() for column in self._columns), strict=True
        ):
            benchmark, problem_id = self._keys[place]
            yield ProblemPair(
                benchmark,
                problem_id,
                _OUTCOMES[outcome],
                tuple(passed),
                tuple(trials),
                (_known(scores[0]), _known(scores[1])),
                (first[int(runs[0])], second[int(runs[1])]),
            )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class Pair:
    """A side against the baseline. `gained` and `lost` problems are what McNemar's test (`p_value`) is
    about; wins, losses and ties are by mean score. Both are None where nothing was scored on both sides.

    `only_baseline` and `only_other` are problems with a verdict on one side only; they are in no number here.
    """

    baseline: str
    other: str
    problems: ProblemPairs
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
    def flips(self) -> ProblemPairs:
        """Problems whose pass rates differ, in the baseline's order."""
        return self.problems.of("gained", "lost")

    @property
    def differing(self) -> ProblemPairs:
        """Problems with a different pass rate or score, in the baseline's order."""
        return self.problems.of("gained", "lost", "better", "worse")


def pair(letters: tuple[str, str], baseline: ByProblem, other: ByProblem, *, named: bool) -> Pair:
    """Compare two sides problem by problem; `named` keeps problems of different benchmarks apart."""
    import numpy as np

    left, right = (_keys(side, named=named) for side in (baseline, other))
    if left == right:
        at = np.arange(len(left))
    else:
        on_right = dict(zip(right, range(len(right)), strict=True))
        at = np.array([on_right.get(key, -1) for key in left], int)
    places = np.array([np.flatnonzero(at >= 0), at[at >= 0]])
    alone = np.setdiff1d(np.arange(len(right)), places[1])
    columns = _columns((baseline, other), places)
    problems = ProblemPairs(left, (baseline.trials.run_ids, other.trials.run_ids), columns)
    scored = len(problems) - len(problems.of("unscored"))
    gained, lost = len(problems.of("gained")), len(problems.of("lost"))
    differences = columns.scores[1] - columns.scores[0]
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Pair(
        *letters,
        problems,
        tuple(left[place] for place in np.flatnonzero(at < 0)),
        tuple(right[place] for place in alone),
        _deltas((baseline, other), places),
        scored,
        gained,
        lost,
        wins,
        losses,
        scored - wins - losses,
        mcnemar(gained, lost) if scored else None,
    )


def _keys(side: ByProblem, *, named: bool) -> list[Key]:
    return side.keys if named else list(zip(repeat(""), map(itemgetter(1), side.keys)))


def _columns(sides: tuple[ByProblem, ByProblem], places: np.ndarray) -> _Columns:
    import numpy as np

    passed, trials, scores, best, worst = [], [], [], [], []
    for side, at in zip(sides, places, strict=True):
        passes, verdict = side.trials.has("passed"), has_verdict(side.trials)
        passed.append(side.count(passes & verdict)[at])
        trials.append(side.count(verdict)[at])
        scores.append(side.means(BY_KEY["score"].of(side.trials))[at])
        best.append(side.first(passes)[at])
        worst.append(side.first(~passes)[at])
    # a/b against c/d without rounding
    before, after = passed[0] * trials[1], passed[1] * trials[0]
    conditions = {
        "unscored": np.isnan(scores[0]) | np.isnan(scores[1]),
        "gained": after > before,
        "lost": after < before,
        "better": scores[1] > scores[0],
        "worse": scores[1] < scores[0],
    }
    codes = [_OUTCOMES.index(outcome) for outcome in conditions]
    outcome = np.select(list(conditions.values()), codes, _OUTCOMES.index("same"))
    # Where a problem flipped, trials that show it; else the first ones.
    gained, lost = (outcome == _OUTCOMES.index(which) for which in ("gained", "lost"))
    runs = [
        np.select([gained, lost], shown, side.starts[at])
        for side, at, shown in zip(sides, places, ([worst[0], best[0]], [best[1], worst[1]]), strict=True)
    ]
    return _Columns(places[0], outcome, *map(np.array, (passed, trials, scores, runs)))


def _deltas(sides: tuple[ByProblem, ByProblem], places: np.ndarray) -> dict[str, Delta]:
    """The paired difference of every measure that some problem has on both sides.

    Measures that the same problems have share one bootstrap.
    """
    import numpy as np

    rows: dict[str, np.ndarray] = {}
    groups: dict[bytes, list[str]] = {}
    for measure in MEASURES:
        before, after = (
            side.means(measure.of(side.trials))[at] for side, at in zip(sides, places, strict=True)
        )
        differences = after - before
        known = ~np.isnan(differences)
        if known.any():
            rows[measure.key] = differences[known]
            groups.setdefault(known.tobytes(), []).append(measure.key)
    deltas: dict[str, Delta] = {}
    for keys in groups.values():
        intervals = mean_intervals([rows[key] for key in keys])
        for key, interval in zip(keys, intervals, strict=True):
            found = mean(rows[key])
            assert found is not None
            deltas[key] = Delta(found.value, interval, found.known)
    return {key: deltas[key] for key in rows}
