"""A program's output against independent implementations of the scorers of LiveCodeBench and APPS."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from random import Random

import pytest

from engine.benchmarks.apps import TOLERANCE
from engine.program_tests import same_output


def livecodebench(printed: str, expected: str) -> bool:
    """Stripped lines, each equal as text or, where all of it is numbers, as decimals."""
    ours, theirs = ([line.strip() for line in text.strip().split("\n")] for text in (printed, expected))
    return len(ours) == len(theirs) and all(
        a == b or (None not in (x := decimals(a), y := decimals(b)) and x == y)
        for a, b in zip(ours, theirs, strict=True)
    )


def decimals(line: str) -> list[Decimal] | None:
    try:
        return [Decimal(word) for word in line.split()]
    except InvalidOperation:
        return None


def apps(printed: str, expected: str) -> bool:
    """Stripped lines; else a number on each line, nearly equal; else sets of lines of sets of words, the
    numbers to three digits.
    """
    ours, theirs = ([w.strip() for w in text.split("\n") if w.strip()] for text in (printed, expected))
    if ours == theirs:
        return True
    numbers = [one_each(lines) for lines in (ours, theirs)]
    if None not in numbers and len(ours) == len(theirs):
        pairs = zip(numbers[0] or [], numbers[1] or [], strict=True)
        if all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-8) for a, b in pairs):
            return True
    words = [{frozenset(line.split()) for line in lines} for lines in (ours, theirs)]
    if words[0] == words[1]:
        return True
    rounded = [one_set(lines) for lines in (ours, theirs)]
    return rounded[0] is not None and rounded[0] == rounded[1]


def one_each(lines: list[str]) -> list[float] | None:
    try:
        return [float(line) for line in lines]
    except ValueError:
        return None


def one_set(lines: list[str]) -> set[frozenset[float]] | None:
    try:
        return {frozenset(round(float(word), 3) for word in line.split()) for line in lines}
    except ValueError:
        return None


Change = Callable[[Random, list[list[str]]], list[list[str]]]


def respelled(rng: Random, lines: list[list[str]]) -> list[list[str]]:
    """Each number in another form of the same value."""
    forms = ("{}", "+{}", "{}.0", "{}.", "0{}", "{}e0")
    return [[rng.choice(forms).format(w) if w.isdigit() else w for w in line] for line in lines]


def another_word(rng: Random, lines: list[list[str]]) -> list[list[str]]:
    changed = [list(line) for line in lines]
    line = rng.choice(changed)
    line[rng.randrange(len(line))] = rng.choice(("17", "no", "-3", "2.5", "Yes"))
    return changed


def reversed_lines(rng: Random, lines: list[list[str]]) -> list[list[str]]:
    return lines[::-1]


def one_less(rng: Random, lines: list[list[str]]) -> list[list[str]]:
    return lines[:-1] if rng.random() < 0.5 else [line[:-1] or line for line in lines]


def as_it_is(rng: Random, lines: list[list[str]]) -> list[list[str]]:
    return lines


CHANGES: tuple[Change, ...] = (as_it_is, respelled, another_word, reversed_lines, one_less)


def pair(rng: Random) -> tuple[str, str]:
    """What was printed and what was expected: lines of numbers or of words, with single spaces."""
    lines = []
    for _ in range(rng.randint(1, 4)):
        words = ("1", "2", "40", "7") if rng.random() < 0.6 else ("yes", "no", "YES", "a")
        lines.append([rng.choice(words) for _ in range(rng.randint(1, 4))])
    printed = "\n".join(" ".join(line) for line in rng.choice(CHANGES)(rng, lines))
    around = rng.choice(("{}", "{}\n", "\n{}", "  {}  ", "{}\n\n\n"))
    return around.format(printed), "\n".join(" ".join(line) for line in lines)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_livecodebench_s_rule(seed: int) -> None:
    rng = Random(seed)
    pairs = [pair(rng) for _ in range(200)]
    verdicts = [same_output(*one) for one in pairs]
    assert verdicts == [livecodebench(*one) for one in pairs]
    assert 40 < sum(verdicts) < 160  # both kinds are there


@pytest.mark.parametrize("seed", range(6))
def test_what_passes_with_apps_s_tolerance_passes_its_scorer(seed: int) -> None:
    rng = Random(seed)
    pairs = [pair(rng) for _ in range(200)]
    # It takes numbers for numbers only where there is nothing else.
    numbers = [one for one in pairs if one_set(one[1].split("\n")) is not None]
    right = [one for one in numbers if same_output(*one, TOLERANCE)]
    assert len(right) > 20
    assert all(apps(*one) for one in right)
    for printed, expected in (("0.3333333", "0.33333333"), ("1000001", "1000000"), ("2.0\n3", "2\n3")):
        assert same_output(printed, expected, TOLERANCE) and apps(printed, expected)
    for printed, expected in (("2 1", "1 2"), ("1 2", "1 1 2"), ("b\na", "a\nb")):
        assert apps(printed, expected) and not same_output(printed, expected, TOLERANCE)
