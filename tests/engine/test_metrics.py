"""Metrics against independent calculations, worked examples and the papers' own figures."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scores.metrics import (
    exact_match,
    final_number,
    last_boxed,
    last_number,
    pass_at_k,
    same_last_number,
    summarise,
    token_f1,
)


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        draws = list(itertools.combinations(range(n), k))
        right = sum(any(sample < c for sample in draw) for draw in draws)
        assert pass_at_k(n, c, k) == pytest.approx(float(Fraction(right, len(draws))))


def test_pass_at_k_has_no_overflow_and_refuses_nonsense() -> None:
    assert pass_at_k(10_000, 1, 10) == pytest.approx(0.001)
    for n, c, k in ((3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)):
        with pytest.raises(ValueError, match="pass@k needs"):
            pass_at_k(n, c, k)


def test_a_summary_keeps_pass_at_1_and_the_mean_apart_and_infra_out_of_both() -> None:
    summary = summarise([1.0, 0.5, 0.0, None, 0.5])
    assert (summary.solved, summary.mean, summary.scored, summary.infra) == (0.25, 0.5, 4, 1)
    nothing = summarise([None])
    assert (nothing.solved, nothing.mean, nothing.infra) == (None, None, 1)


@pytest.mark.parametrize(
    ("answer", "reference", "f1", "exact"),
    [
        ("The Danube.", "danube", 1.0, True),
        ("the river Danube", "Danube river", 1.0, False),
        ("river Danube", "Danube", 2 / 3, False),  # precision 1/2, recall 1
        ("a b c d", "b c x", 4 / 6, False),  # b, c of 3 said ("a" is an article) and of 3 wanted
        ("yes", "no", 0.0, False),
        ("", "no", 0.0, False),
        ("seven", "7|seven|seven points", 1.0, True),
        ("3 3", "3", 2 / 3, False),  # a repeated word counts once
        ("the", "an", 0.0, False),  # SQuAD leaves nothing of either, and takes them for one
        ("yes, it is", "yes", 0.0, False),  # HotpotQA: a verdict is all of an answer
        ("yes", "yes and no", 0.0, False),
        ("Yes.", "yes", 1.0, True),
        ("1|2|3|4|5|6|7", "7", 0.0, False),  # listing guesses is no answer
    ],
)
def test_f1_and_exact_match_as_squad_scores_them(answer: str, reference: str, f1: float, exact: bool) -> None:
    assert token_f1(answer, reference) == pytest.approx(f1)
    assert exact_match(answer, reference) is exact


@given(st.text(max_size=60), st.text(max_size=60))
def test_f1_stays_in_its_range_and_an_exact_match_is_1(answer: str, reference: str) -> None:
    f1 = token_f1(answer, reference)
    assert 0.0 <= f1 <= 1.0
    if exact_match(answer, reference):
        assert f1 == 1.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 3 + 4 = 7", 7.0),
        ("#### 1,003", 1003.0),
        ("it costs $1,234.50.", 1234.5),
        ("-5", -5.0),
        ("7 apples and 2x", 2.0),
        (".5", 0.5),
        ("12,34", 34.0),  # no thousands separator
        ("none", None),
        ("", None),
        ("the answer is...31", 31.0),
        ("Final answer.31", 31.0),
        ("It fell by -$31.", -31.0),
        ("= −31", -31.0),
        ("$31{,}250$", 31250.0),
        ("答案是31。", 31.0),
        ("31 cm^2", 31.0),
        ("from 10-31", 31.0),
        ("2024-05-31", 31.0),
        ("US$31", 31.0),
        ("1/0", None),
    ],
)
def test_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 31\nI used 2 steps.", 31),
        ("#### 31 apples\n(2 ways)", 31),
        ("#### **$31**", 31),
        ("#### 1. Add\n2 + 29\n#### 2) Say\nIt is 31", 31),
        ("#### Step 1\nso 31", 31),
        ("#### 30\nNo:\n#### 31\n", 31),
        (r"\boxed{31} of 40", 31),
        (r"\boxed{x = 31} of 40", 31),
        (r"\boxed{x} and 31", 31),
        ("30, then 31", 31),
        ("none", None),
    ],
)
def test_a_marked_number_comes_before_the_last_one(text: str, number: int | None) -> None:
    assert final_number(text) == number


def test_gsm8k_compares_within_a_millionth() -> None:
    assert same_last_number("the answer is 0.3333334", "0.3333333")
    assert not same_last_number("the answer is 0.33334", "0.33333")
    assert not same_last_number("no idea", "3")
    assert not same_last_number("9" * 400, "3")  # more than a float holds


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (r"so \boxed{4}", "4"),
        (r"\boxed{1}, no, \boxed{\frac{1}{\sqrt{2}}}.", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{4} and \boxed{", "4"),
        (r"\boxed {5}", "5"),
        (r"\boxed 5", None),
        ("5", None),
        ("\\boxed{" * 100_000, None),
    ],
)
def test_last_boxed(text: str, held: str | None) -> None:
    assert last_boxed(text) == held
