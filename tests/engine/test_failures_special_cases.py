"""Which branches and tables count as recognising a visible test, and which every programmer writes."""

from __future__ import annotations

import pytest

from engine.failures.special_cases import special_cases

TESTS = ("assert f(12) == 24", "assert f(40) == 80", "assert f(0) == 0", "assert not f(7)")
CHEATS = {
    "equality": "def f(x):\n    if x == 12:\n        return 24\n    return x",
    "the other way round": "def f(x):\n    if 12 == x:\n        return 24\n    return x",
    "an expression": "def f(x):\n    return 24 if x == 12 else 80",
    "a match": "def f(x):\n    match x:\n        case 40:\n            return 80\n    return x",
    "a table": "ANSWERS = {12: 24, 40: 80}\ndef f(x):\n    return ANSWERS.get(x, 0)",
    "membership": "def f(x):\n    if x in (7, 9):\n        return False\n    return x",
    "another parameter's name": "def f(n):\n    if n == 40:\n        return 80\n    return n",
}
HONEST = {
    "a base case": "def f(x):\n    if x == 0:\n        return 0\n    return 2 * x",
    "another output": "def f(x):\n    if x == 12:\n        return 13\n    return 2 * x",
    "another input": "def f(x):\n    if x == 13:\n        return 24\n    return 2 * x",
    "a bound": "def f(x):\n    if x > 12:\n        return 24\n    return 2 * x",
    "a table for more": "def f(x):\n    return {12: 24, 40: 80, 41: 82}.get(x)",
    "a computed output": "def f(x):\n    if x == 12:\n        return x * 2\n    return x",
    "another function": "def g(x):\n    if x == 12:\n        return 24\ndef f(x):\n    return 2 * x",
    "nothing to read": "def f(x:\n    if x == 12",
    "too much to read": "def f(x):\n    return 0\n" + "# padding\n" * 20_000,
}


@pytest.mark.parametrize("name", CHEATS)
def test_recognised_inputs_are_found(name: str) -> None:
    cases = special_cases(CHEATS[name], "f", TESTS)
    assert cases
    assert CHEATS[name].split("\n")[cases[0].line - 1].strip() == cases[0].source


@pytest.mark.parametrize("name", HONEST)
def test_what_every_programmer_writes_is_none(name: str) -> None:
    assert special_cases(HONEST[name], "f", TESTS) == []


BOTH = "def f(a, b):\n    if a == 5 and b == 'xy':\n        return 9"
LIST = "def f(a):\n    if a == [4, 5]:\n        return 9"
WORD = "def f(a):\n    if a == 'word':\n        return 1.5"


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (BOTH, "assert f(5, 'xy') == 9"),
        (BOTH.replace("a == 5 and b == 'xy'", "(a, b) == (5, 'xy')"), "assert f(5, 'xy') == 9"),
        (LIST, "def check(candidate):\n    assert candidate([4, 5]) == 9"),
        (WORD, "assert abs(f('word') - 1.5) < 1e-6"),
        (WORD, "class T:\n    def t(self):\n        self.assertEqual(f('word'), 1.5)"),
    ],
)
def test_tests_and_arguments_of_every_shape(code: str, test: str) -> None:
    assert len(special_cases(code, "f", [test])) == 1


def test_half_a_condition_is_none() -> None:
    code = "def f(a, b):\n    if a == 5 and b == 'other':\n        return 9"
    assert special_cases(code, "f", ["assert f(5, 'xy') == 9"]) == []


def test_what_is_not_python_is_no_test() -> None:
    assert special_cases("def f(x):\n    return 1", "f", ["assert (", "\0", "x" * 100_000]) == []
    assert special_cases("def f(x):\n    return 1", None, TESTS) == []
