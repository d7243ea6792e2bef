"""What LiveCodeBench and APPS have in common: programs or functions to write, what an answer may rely on, and
how tests are divided.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.problems import Tests, is_python_name
from engine.program_tests import program_test
from engine.records import ProblemError

MAX_TEST_CHARS = 4 << 20  # of a function's test; with the answer, one frame holds it
WRITE_A_PROGRAM = (
    "Write a Python program that reads its standard input and prints the answer to standard output."
)
_MODULES = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json", "time", "fractions", "typing"),
)
# Both scorers import these for every answer, under all their names, and allow for deep recursion.
PRELUDE = "\n".join(
    [
        *(f"from {module} import *" for module in _MODULES),
        *(f"import {module}" for module in _MODULES),
        "sys.setrecursionlimit(50_000)",
        "def as_lists(value):",
        '    """Tuples are lists here, at any depth: JSON has no tuples."""',
        "    if isinstance(value, (list, tuple)):",
        "        return [as_lists(item) for item in value]",
        "    return value",
    ]
)


def program(stdin: object, stdout: object, where: str) -> str | None:
    """A test of a program; None where it is too large to be run. Raises ProblemError where a part is not
    text.
    """
    test = program_test(stdin, stdout, where)
    return None if test.too_large else str(test)


def function_test(name: str, arguments: Sequence[Any], *results: Any) -> str | None:
    """An assert statement that a call of `name` gives one of `results`, all decoded JSON; None where it is
    too large to be run.
    """
    call = f"as_lists({name}({', '.join(map(repr, arguments))}))"
    right = f"== {results[0]!r}" if len(results) == 1 else f"in {list(results)!r}"
    test = f"assert {call} {right}"
    return test if len(test) <= MAX_TEST_CHARS else None


def plain_json(source: str) -> Any:
    """The value of a JSON text, without NaN and infinities. Raises ValueError."""
    return json.loads(source, parse_constant=_refused)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def divided(visible: Sequence[str | None], hidden: Sequence[str | None], where: str) -> tuple[Tests, int]:
    """The tests by split, each once, and how many are left out because they are too large.

    Of the hidden ones the first third (rounded down) is `val`, the rest `test`. Where there are none, the
    last visible one is `test`. Raises ProblemError where no test is left.
    """
    shown = list(dict.fromkeys(test for test in visible if test is not None))
    kept = [test for test in dict.fromkeys(hidden) if test is not None and test not in shown]
    if not kept:
        shown, kept = shown[:-1], shown[-1:]
    if not kept:
        raise ProblemError(f"{where}: it has no tests that can be run; leave the record out")
    third = len(kept) // 3
    left_out = sum(test is None for test in (*visible, *hidden))
    return Tests(tuple(shown), tuple(kept[:third]), tuple(kept[third:])), left_out


def function_name(value: object, where: str, field: str) -> str | None:
    """The function that the tests call, or None for a program. Raises ProblemError where it cannot be one."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not is_python_name(value):
        raise ProblemError(f'{where}: the field "{field}" names the function {value!r}, not a Python name')
    return value
