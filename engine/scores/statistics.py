"""How sure a comparison is: intervals and tests.

They are SciPy's but for rounding, without its import: `scipy.stats` takes longer to load than it takes to
compare 100,000 trials, and more memory. Every bootstrap has a fixed seed, so that the same trials always give
the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
_SEED = 0
_MOST_RESAMPLES, _FEWEST_RESAMPLES = 9_999, 999
# Draws of one bootstrap: with many problems, fewer resamples are as precise and keep the time the same.
_DRAWS = 5_000_000
_DRAWS_AT_ONCE = 250_000
# Of more columns than this, the distribution that resampling a mean draws from is known well enough.
_MOST_RESAMPLED = 10_000
_Z = 1.959963984540054  # the normal distribution's 97.5 %


class Interval(NamedTuple):
    """The two ends of a 95 % interval, in the unit of the quantity it is about."""

    low: float
    high: float


def proportion_interval(passed: int, total: int) -> Interval | None:
    """Wilson's score interval for a proportion in [0, 1] (Wilson 1927); None without a trial.

    Raises:
        ValueError: not 0 ≤ passed ≤ total.
    """
    if not 0 <= passed <= total:
        raise ValueError(f"a proportion needs 0 ≤ passed ≤ total, not {passed} of {total}")
    if total == 0:
        return None
    rate = passed / total
    scale = 2 * (total + _Z**2)
    middle = (2 * total * rate + _Z**2) / scale
    half = _Z / scale * math.sqrt(4 * total * rate * (1 - rate) + _Z**2)
    return Interval(0.0 if passed == 0 else middle - half, 1.0 if passed == total else middle + half)


def pass_rate_interval(
    passed: Sequence[int] | np.ndarray, trials: Sequence[int] | np.ndarray
) -> Interval | None:
    """The interval of a pass rate in [0, 1] over problems: problem i was tried `trials[i]` times, at least
    once, and passed `passed[i]` of them. None without a problem.

    With one trial per problem this is Wilson's interval. Repeats of a problem are not independent of each
    other, so with more trials whole problems are resampled (cluster bootstrap). Where all problems have the
    same rate there is nothing to resample; the interval is then Wilson's for one trial per problem.

    Raises:
        ValueError: `passed` and `trials` are not equally long.
    """
    import numpy as np

    data = np.array([passed, trials], float)
    problems = data.shape[1]
    if not problems:
        return None
    passes, tries = map(int, data.sum(axis=1))
    if tries == problems:
        return proportion_interval(passes, problems)
    rates = data[0] / data[1]
    if rates.min() == rates.max():
        return proportion_interval(round(passes / tries * problems), problems)
    sums = _resampled(data)
    low, high = _ends(sums[:, :1] / sums[:, 1:])
    return Interval(float(low[0]), float(high[0]))


def difference_interval(passed: tuple[int, int], trials: tuple[int, int]) -> Interval | None:
    """The interval of the second proportion minus the first, of independent trials; None without trials.

    Newcombe's hybrid score interval (Newcombe 1998, method 10), which holds for few trials too.

    Raises:
        ValueError: not 0 ≤ passed ≤ trials on either side.
    """
    before, after = (proportion_interval(p, n) for p, n in zip(passed, trials, strict=True))
    if before is None or after is None:
        return None
    first, second = (p / n for p, n in zip(passed, trials, strict=True))
    difference = second - first
    low = math.hypot(second - after.low, before.high - first)
    high = math.hypot(after.high - second, first - before.low)
    return Interval(difference - low, difference + high)


def mean_intervals(rows: Sequence[Sequence[float] | np.ndarray]) -> list[Interval | None]:
    """The interval of the mean of each row, by a bootstrap over its columns.

    A column is a problem, and a row holds the differences of two sides there, so this is the paired
    bootstrap; the rows of one call share their resamples. None with fewer than two columns, and for a row
    whose values are all the same: a bootstrap can say nothing then.

    Raises:
        ValueError: the rows are not equally long.
    """
    import numpy as np

    if not rows or len(rows[0]) < 2:
        return [None] * len(rows)
    data = np.array(rows, float)
    varies = [bool(row.min() != row.max()) for row in data]
    if not any(varies):
        return [None] * len(rows)

    if data.shape[1] > _MOST_RESAMPLED:
        low, high = _expansion(data[varies])
    else:
        low, high = _ends(_resampled(data[varies]) / data.shape[1])
    ends = iter(zip(low.tolist(), high.tolist(), strict=True))
    return [Interval(*next(ends)) if one else None for one in varies]


def mcnemar(gained: int, lost: int) -> float:
    """The p-value in (0, 1] of the exact McNemar test: two-sided, from the counts of problems on which only
    the one side passed (`gained`) or only the other (`lost`); 1 where there are none.

    With repeats, the counts are those of problems whose pass rates differ, and the same number is the p-value
    of the sign test.

    Raises:
        ValueError: a negative count.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"McNemar's test needs two counts, not {gained} and {lost}")
    if gained == lost:
        return 1.0
    # Both tails of the binomial distribution: its term at the end, then each by its ratio to the one before.
    problems, fewer = gained + lost, min(gained, lost)
    term = tail = math.comb(problems, fewer) / 2**problems
    for passed in range(fewer, 0, -1):
        term *= passed / (problems - passed + 1)
        if tail + term == tail:
            break
        tail += term
    return min(2 * tail, 1.0)


def _expansion(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends that the percentile bootstrap of each row's mean comes to as its resamples grow in number.

    A resample's mean has the row's mean, variance / n and skewness / √n, and of so many columns no more is
    needed: this is its Cornish-Fisher expansion (Hall 1992, The Bootstrap and Edgeworth Expansion, 3.5).
    """
    import numpy as np

    ends = np.array([_expanded(row) for row in data])
    return ends[:, 0], ends[:, 1]


def _expanded(row: np.ndarray) -> tuple[float, float]:
    root = math.sqrt(len(row))
    mean, deviation = float(row.mean()), float(row.std())
    standard = (row - mean) / deviation
    skewness = float((standard * standard * standard).mean())
    shift = (_Z * _Z - 1) * skewness / (6 * root)
    error = deviation / root
    return mean + error * (shift - _Z), mean + error * (shift + _Z)


def _resampled(data: np.ndarray) -> np.ndarray:
    """What the sum of each row comes to when its columns are drawn anew, as (resamples, rows). All rows have
    the same draws.
    """
    import numpy as np

    rows, columns = data.shape
    resamples = max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _DRAWS // columns))
    at_once = max(1, _DRAWS_AT_ONCE // columns)
    rng = np.random.default_rng(_SEED)
    sums = np.empty((resamples, rows))
    for start in range(0, resamples, at_once):
        some = min(at_once, resamples - start)
        drawn = rng.integers(0, columns, (some, columns)) + np.arange(some)[:, None] * columns
        # A column counts as often as it was drawn, which is far fewer numbers than the draws of every row.
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        # Not `@`, for whose threads there is too little to do: they would wait for each other.
        sums[start : start + some] = np.einsum("sc,rc->sr", times.astype(float), data)
    return sums


def _ends(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of each column, over the resamples."""
    import numpy as np

    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistics, [outside, 1 - outside], axis=0)
    return low, high
