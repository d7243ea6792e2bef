"""How sure a comparison is: intervals and tests, computed by SciPy.

SciPy is slow to import, so each function imports it for itself. Every bootstrap has a fixed seed, so that the
same trials always give the same interval.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
_SEED = 0
_MOST_RESAMPLES, _FEWEST_RESAMPLES = 9_999, 999
# Draws of one bootstrap: with many problems, fewer resamples are as precise and keep the time the same.
_DRAWS = 5_000_000
_DRAWS_AT_ONCE = 1_000_000
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
    from scipy.stats import binomtest

    wilson = binomtest(passed, total).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(wilson.low), float(wilson.high))


def pass_rate_interval(passed: Sequence[int], trials: Sequence[int]) -> Interval | None:
    """The interval of a pass rate in [0, 1] over problems: problem i was tried `trials[i]` times, at least
    once, and passed `passed[i]` of them. None without a problem.

    With one trial per problem this is Wilson's interval. Repeats of a problem are not independent of each
    other, so with more trials whole problems are resampled (cluster bootstrap). Where all problems have the
    same rate there is nothing to resample; the interval is then Wilson's for one trial per problem.

    Raises:
        ValueError: `passed` and `trials` are not equally long.
    """
    if not trials:
        return None
    if max(trials) == 1:
        return proportion_interval(sum(passed), len(trials))
    rates = {p / t for p, t in zip(passed, trials, strict=True)}
    if len(trials) == 1 or len(rates) == 1:
        return proportion_interval(round(sum(passed) / sum(trials) * len(trials)), len(trials))
    import numpy as np

    data = (np.array(passed, float), np.array(trials, float))

    def rate(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return a.sum(axis=axis) / b.sum(axis=axis)

    low, high = _bootstrap(data, rate, paired=True)
    return Interval(float(low), float(high))


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

    def mean(a: np.ndarray, axis: int) -> np.ndarray:
        return a.mean(axis=axis)

    if data.shape[1] > _MOST_RESAMPLED:
        low, high = _expansion(data[varies])
    else:
        low, high = _bootstrap((data[varies],), mean)
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
    if gained + lost == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost, 0.5).pvalue)


def _expansion(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends that the percentile bootstrap of each row's mean comes to as its resamples grow in number.

    A resample's mean has the row's mean, variance / n and skewness / √n, and of so many columns no more is
    needed: this is its Cornish-Fisher expansion (Hall 1992, The Bootstrap and Edgeworth Expansion, 3.5).
    """
    import numpy as np

    columns = data.shape[1]
    mean, deviation = data.mean(axis=1), data.std(axis=1)
    skewness = (((data - mean[:, None]) / deviation[:, None]) ** 3).mean(axis=1)
    shift = (_Z * _Z - 1) * skewness / (6 * math.sqrt(columns))
    error = deviation / math.sqrt(columns)
    low, high = mean + error * (shift - _Z), mean + error * (shift + _Z)
    return np.asarray(low), np.asarray(high)


def _bootstrap(data: tuple[np.ndarray, ...], statistic: Any, *, paired: bool = False) -> Any:
    """The percentile interval along the last axis."""
    import numpy as np
    from scipy.stats import bootstrap

    observations = data[0].shape[-1]
    resamples = max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _DRAWS // observations))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate distributions, which are left out above
        result = bootstrap(
            data,
            statistic,
            n_resamples=resamples,
            batch=max(1, _DRAWS_AT_ONCE // data[0].size),
            vectorized=True,
            paired=paired,
            axis=-1,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(_SEED),
        )
    return result.confidence_interval
