"""Repeats of a problem that were not done equally often: what is compared, and what can be told at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.scores.metrics import pass_at_k
from store.compare.comparison import Comparison, compare
from store.reader import Reader
from tests.support.trials import FAIL, PASS, Ran, store_experiment


def compared(path: Path, a: dict[str, list[Ran]], b: dict[str, list[Ran]]) -> Comparison:
    store_experiment(path, "e", {"a": a, "b": b})
    with Reader(path) as reader:
        return compare(reader, ["e"])


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([PASS], [PASS, PASS, FAIL], "lost"),  # more that passed, of many more
        ([PASS, FAIL], [PASS, PASS, FAIL, FAIL], "same"),
        ([PASS, FAIL, FAIL], [PASS, FAIL], "gained"),
        ([FAIL], [FAIL, FAIL], "same"),
        ([Ran("failed", 0.25)], [Ran("failed", 0.5)], "better"),
        ([PASS, Ran("failed", 0.5)], [PASS, FAIL], "worse"),
        ([PASS, PASS, FAIL], [PASS, PASS, FAIL], "same"),
    ],
)
def test_rates_are_compared_not_how_many_passed(
    tmp_path: Path, before: list[Ran], after: list[Ran], outcome: str
) -> None:
    (pair,) = compared(tmp_path / "store.db", {"p": before}, {"p": after}).pairs
    assert [problem.outcome for problem in pair.problems] == [outcome]


def test_pass_at_k_is_told_as_far_as_every_problem_has_samples(tmp_path: Path) -> None:
    first = {"p": [PASS, FAIL, FAIL, FAIL], "q": [PASS, FAIL]}
    found = compared(tmp_path / "store.db", first, {"p": [PASS], "q": [PASS, PASS]}).summaries
    assert found[0].pass_at == {
        1: pytest.approx((pass_at_k(4, 1, 1) + pass_at_k(2, 1, 1)) / 2),
        2: pytest.approx((pass_at_k(4, 1, 2) + pass_at_k(2, 1, 2)) / 2),
    }
    assert found[1].pass_at == {}, "one sample tells nothing that the pass rate does not"
