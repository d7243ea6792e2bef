"""Numbers as they are written, and the words that answers are compared by."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import pytest

from engine.scores.drop_f1 import drop_scores
from engine.scores.metrics import exact_match, same_last_number, token_f1
from engine.scores.numerals import NUMBER, fold, only_number, value

NUMBERS = {
    "1,234.50": "1234.5",
    "−7": "-7",
    "–7": "-7",
    "-$7": "-7",
    "$-7": "-7",
    "+7": "7",
    "€ 7": "7",
    "7 %": "7",
    "7\u202f000": "7000",
    "$7{,}000$": "7000",
    r"7\,000": "7000",
    "7’000": "7000",
    "7,00,000": "700000",
    "７５": "75",
    "٧٥": "75",
    "¾": "3/4",
    "2¾": "11/4",
    "2 3/4": "11/4",
    r"2\dfrac{3}{4}": "11/4",
    r"\frac34": "3/4",
    ".75": "3/4",
    "7.50": "7.5",
    "007": "7",
    "7e2": "700",
    "7.5 × 10²": "750",
    r"7.5 \times 10^{2}": "750",
    "**7**": "7",
}


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_a_number_is_read_whatever_its_dress(text: str, number: str) -> None:
    assert only_number(text) == Fraction(number)


@pytest.mark.parametrize(
    "text",
    ["", "x", "7x", "7-5", "7:30", "1.2.3", "7/0", "12,34", "3/4/2024", "7e99999", "9" * 5000, "7 8", "VII"],
)
def test_what_is_no_single_number_is_not_read_as_one(text: str) -> None:
    assert only_number(text) is None


@pytest.mark.parametrize(
    "unit", ["9", "1,", "1 ", "-", "$", "1/", "1.", "1 1/", "\\frac", "{", "1\u2009", "(− ", "**", "a ", "<"]
)
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    begun = time.process_time()
    assert not exact_match(text, "7")
    list(map(value, NUMBER.finditer(fold(text))))
    assert time.process_time() - begun < 8  # a square of the length would be minutes


SAME = [
    ("75", "$75"),
    ("75%", "75"),
    ("7.50", "7.5"),
    ("0.75", "¾"),
    ("7,500", "7500"),
    ("A", "(a)"),
    ("The Rhine.", "rhine"),
    ("**Rhine**", "Rhine"),
    ("Rhine\u200b", "Rhine"),
    ("l’eau", "l'eau"),
    ("C++", "c++"),
    ("F#.", "F#"),
    ("x = 7", "x=7"),
    ("= 7", "7"),
    ("7 – 5", "7-5"),
    ("H₂SO₄", "H2SO4"),
    ("m²", "m^2"),
    ("Bonn,Köln", "Bonn, Köln"),
    ("+", "+"),
    ("ab−", "AB-"),
    ("\\boxed{Rhine}", "Rhine"),
    ("Acme™", "Acme"),
    ("-∞", "−∞"),
    ("7°C", "7 C"),
    ("Anglo Irish", "Anglo-Irish"),
    ("e-mail", "email"),
    ("40 yard", "40–yard"),
    ("F 16", "F-16"),
]
NOT_SAME = [
    ("75", "7.5"),
    ("7", "-7"),
    ("-7", "+7"),
    ("34", "3/4"),
    ("730", "7:30"),
    ("75", "7-5"),
    ("75", "7'5"),
    ("75km", "7.5km"),
    ("v75", "v7.5"),
    ("$7", "€7"),
    ("$7", "7%"),
    ("F", "F#"),
    ("B", "B+"),
    ("AB-", "AB+"),
    ("A-", "A"),
    ("A*", "A"),
    ("", "A"),
    ("", ""),
    (" ", "the"),
    ("the", "A"),
    ("?!", "A"),
    ("*", "/"),
    ("Plan", "Plan A"),
    ("x>7", "x<7"),
    ("a+b", "ab"),
    ("10²", "102"),
    ("m2", "m²"),
    ("∞", "-∞"),
    ("👍", "👎"),
    ("1, 2, 3", "123"),
    ("2\u00be", "23/4"),
]


@pytest.mark.parametrize(("answer", "reference"), SAME)
def test_the_same_answer_in_another_dress_is_right(answer: str, reference: str) -> None:
    assert exact_match(answer, reference)
    assert exact_match(reference, answer)
    assert token_f1(answer, reference) == 1.0


@pytest.mark.parametrize(("answer", "reference"), NOT_SAME)
def test_another_answer_is_not_right(answer: str, reference: str) -> None:
    assert not exact_match(answer, reference)
    assert not exact_match(reference, answer)
    assert token_f1(answer, reference) < 1.0


def test_an_answer_that_forges_the_inner_form_of_a_number_is_no_number() -> None:
    assert not exact_match("\ue0007", "-7")
    assert not exact_match("3\ue0014", "3/4")


DOCUMENTED = [
    (
        same_last_number,
        "9500",
        ("#### 9,500", "so $9{,}500$.", "it is...9500", r"\boxed{9500} of 12"),
        ("9500 of 12", "950"),
    ),
    (exact_match, "the Danube", ("Danube.", "**danube**"), ("Dan ube", "")),
    (exact_match, "3", ("3.0", "$3"), ("30", "three")),
    (exact_match, "yes", ("Yes.", "yes"), ("yes, it is", "no")),
    (exact_match, "1,234", ("1234", "1\u2009234"), ("1.234", "1,2,34")),
    (exact_match, "C++", ("c++", "`C++`"), ("C", "C+")),
    (exact_match, "A", ("a", "(A)"), ("", "the", "B")),
    (exact_match, "seven|7", ("7", "Seven", "7.0"), ("8", "seven or 7")),
]


@pytest.mark.parametrize(("rule", "reference", "accepted", "not_accepted"), DOCUMENTED)
def test_the_examples_in_the_docs(
    rule: Callable[[str, str], bool], reference: str, accepted: tuple[str, ...], not_accepted: tuple[str, ...]
) -> None:
    assert [answer for answer in accepted if not rule(answer, reference)] == []
    assert [answer for answer in not_accepted if rule(answer, reference)] == []


def test_the_examples_of_drop_in_the_docs() -> None:
    assert drop_scores("40 yard", [["40-yard"]]) == (1.0, True)
    assert drop_scores("Jones, Smith", [["Smith", "Jones"]]) == (1.0, True)
    assert drop_scores("216 yards", [["21.6 yards"]])[0] == 0.0
    assert drop_scores("Smith", [["Smith", "Jones"]]) == (0.5, False)
    assert drop_scores("", [["A"]]) == (0.0, False)
    f1, exact = drop_scores(" ".join(map(str, range(400))), [[" ".join(map(str, range(399))) + " x"]])
    assert 0.99 < f1 < 1.0  # not rounded to a pass
    assert not exact
