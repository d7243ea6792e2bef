"""Intervals and tests against hand-worked numbers and calculations of their own."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest

from engine.scores import statistics
from engine.scores.statistics import mcnemar, mean_intervals, pass_rate_interval, proportion_interval


def wilson(passed: int, total: int) -> tuple[float, float]:
    """Wilson 1927, equation as printed in textbooks."""
    z, p = 1.959963984540054, passed / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return middle - half, middle + half


@pytest.mark.parametrize(("passed", "total"), [(8, 10), (0, 10), (10, 10), (1, 1), (131, 164)])
def test_a_proportion_has_wilsons_interval(passed: int, total: int) -> None:
    assert proportion_interval(passed, total) == pytest.approx(wilson(passed, total), abs=1e-12)


def test_a_proportion_of_nothing_has_none_and_impossible_counts_are_refused() -> None:
    assert proportion_interval(0, 0) is None
    with pytest.raises(ValueError, match="11 of 10"):
        proportion_interval(11, 10)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(10, 2, 0.03857421875), (2, 10, 0.03857421875), (0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (8, 0, 2 / 2**8)],
)
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    # 10 and 2: 2 * (C(12,0) + C(12,1) + C(12,2)) / 2**12 = 2 * 79 / 4096
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_mcnemar_against_exact_fractions() -> None:
    for gained, lost in itertools.product(range(9), repeat=2):
        n = gained + lost
        tail = sum(Fraction(math.comb(n, k), 2**n) for k in range(min(gained, lost) + 1))
        assert mcnemar(gained, lost) == pytest.approx(float(min(Fraction(1), 2 * tail)))
    with pytest.raises(ValueError, match="two counts"):
        mcnemar(-1, 2)


def test_the_mean_of_differences_against_a_plain_bootstrap() -> None:
    rng = random.Random(7)
    row = [rng.choice([-1.0, 0.0, 0.0, 1.0, 0.5]) for _ in range(60)]
    means = sorted(sum(rng.choices(row, k=60)) / 60 for _ in range(20_000))
    (found,) = mean_intervals([row])
    assert found is not None
    assert found.low == pytest.approx(means[500], abs=0.02)
    assert found.high == pytest.approx(means[19_500], abs=0.02)


def test_the_same_numbers_have_the_same_interval_whoever_is_beside_them() -> None:
    row, other = [0.0, 1.0, 1.0, 0.25], [3.0, 1.0, 2.0, 9.0]
    alone, beside = mean_intervals([row]), mean_intervals([other, row])
    assert alone[0] == pytest.approx(beside[1])
    assert mean_intervals([row]) == alone


def test_where_a_bootstrap_says_nothing_there_is_no_interval() -> None:
    assert mean_intervals([]) == []
    assert mean_intervals([[1.0], [2.0]]) == [None, None]
    assert mean_intervals([[1.0, 1.0], [0.0, 1.0]])[0] is None
    with pytest.raises(ValueError):
        mean_intervals([[1.0, 2.0], [1.0]])


def test_a_pass_rate_with_one_trial_a_problem_is_a_proportion() -> None:
    assert pass_rate_interval([1, 1, 0, 1], [1, 1, 1, 1]) == proportion_interval(3, 4)
    assert pass_rate_interval([], []) is None


def test_repeats_do_not_make_an_interval_narrower_than_its_problems_allow() -> None:
    rng = random.Random(3)
    problems = [rng.randint(0, 1) for _ in range(40)]
    once = pass_rate_interval(problems, [1] * 40)
    often = pass_rate_interval([p * 25 for p in problems], [25] * 40)  # every repeat like the first
    assert once is not None and often is not None
    # 1,000 independent trials would have given a fifth of the width.
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.15)


def test_problems_that_all_came_out_alike_are_not_taken_for_certainty() -> None:
    assert pass_rate_interval([3, 3, 3], [3, 3, 3]) == proportion_interval(3, 3)
    assert pass_rate_interval([2], [5]) == proportion_interval(0, 1)
    assert pass_rate_interval([0, 0], [3, 2]) == proportion_interval(0, 2)


def test_of_very_many_columns_the_interval_is_what_resampling_comes_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(3)
    rows = [
        [rng.gauss(0, 1) for _ in range(10_001)],
        [rng.expovariate(1) ** 3 for _ in range(10_001)],
        [2.0] * 10_001,
    ]
    expanded = mean_intervals(rows)
    monkeypatch.setattr(statistics, "_MOST_RESAMPLED", 100_000)
    resampled = mean_intervals(rows)
    assert expanded[2] is resampled[2] is None
    for one, other in zip(expanded[:2], resampled[:2], strict=True):
        assert one is not None and other is not None
        noise = 0.08 * (other.high - other.low)  # of a thousand resamples, four standard errors
        assert one.low == pytest.approx(other.low, abs=noise)
        assert one.high == pytest.approx(other.high, abs=noise)
    skewed, mean = expanded[1], sum(rows[1]) / len(rows[1])
    assert skewed is not None and skewed.high - mean > mean - skewed.low


def test_intervals_and_p_values_are_those_of_scipy() -> None:
    from scipy.stats import binomtest, bootstrap

    for passed, total in ((0, 1), (1, 7), (131, 164), (49_999, 50_000), (50_000, 50_000)):
        wilson = binomtest(passed, total).proportion_ci(0.95, method="wilson")
        assert proportion_interval(passed, total) == (wilson.low, wilson.high)
    for gained, lost in ((1, 0), (3, 1), (40, 60), (0, 1_000), (700, 500), (24_000, 25_000), (9_000, 1)):
        p_value = binomtest(gained, gained + lost).pvalue
        assert mcnemar(gained, lost) == pytest.approx(p_value, rel=1e-11, abs=0)
    rng = random.Random(5)
    rows = [[rng.gauss(0, 1) for _ in range(2_500)], [float(rng.random() < 0.3) for _ in range(2_500)]]
    settings = {"n_resamples": 2_000, "axis": -1, "vectorized": True, "method": "percentile"}
    for row, found in zip(rows, mean_intervals(rows), strict=True):
        again = np.random.default_rng(0)
        whole = bootstrap((np.array(row),), np.mean, rng=again, **settings).confidence_interval
        assert found == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_a_bootstrap_over_problems_with_repeats_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    def rate(passed: np.ndarray, trials: np.ndarray, axis: int) -> np.ndarray:
        return passed.sum(axis=axis) / trials.sum(axis=axis)

    rng = random.Random(6)
    trials = [rng.randint(1, 5) for _ in range(5_000)]
    passed = [rng.randint(0, often) for often in trials]
    whole = bootstrap(
        (np.array(passed), np.array(trials)),
        rate,
        n_resamples=1_000,
        batch=100,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert pass_rate_interval(passed, trials) == pytest.approx((whole.low, whole.high), rel=1e-12)
