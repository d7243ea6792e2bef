"""What a problem provides is there for its solution, as if that stood behind it."""

from __future__ import annotations

import pytest

from sandbox import Pool
from sandbox.types import ModeChoice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

PRELUDE = """
import math
from typing import List
from collections import Counter as Counted

LIMIT = 10


class Point:
    def __init__(self, x):
        self.x = x


def helper(x):
    return x + LIMIT


def twice(x):
    return f(x) * 2


def f(x):
    '''The head of what is asked for.'''
"""


@pytest.mark.parametrize("mode", ["split", "in-process"])
@pytest.mark.parametrize(
    ("solution", "test"),
    [
        ("def f(xs: List[int]) -> List[int]:\n    return xs", "assert f([1]) == [1]"),
        ("def f(x):\n    return math.floor(x)", "assert f(1.5) == 1"),
        ("def f(x):\n    return helper(x)", "assert f(1) == 11"),
        ("def f(x):\n    return helper(x)", "assert f(1) == helper(1)"),
        ("f = helper", "assert f(1) == 11"),
        ("def f(x):\n    return twice(x - 1) if x else 3", "assert f(2) == 12 and twice(1) == 12"),
        ("def f(x):\n    return LIMIT", "assert f(0) == 10"),
        ("def f(x):\n    return Point(x).x", "assert f(3) == 3"),
        ("def f(x):\n    return [Counted(y) for y in x]", "assert f(['aa']) == [{'a': 2}]"),
        ("def f(x):\n    def inner():\n        return helper(x)\n    return inner()", "assert f(1) == 11"),
        ("LIMIT = 1\ndef f(x):\n    return LIMIT", "assert f(0) == 1"),  # its own goes first
        ("def helper(x):\n    return x\ndef f(x):\n    return helper(x)", "assert f(1) == 1"),
        ("import math as m\ndef f(x, y=math.pi):\n    return m.floor(y)", "assert f(0) == 3"),
    ],
)
async def test_what_a_problem_provides_is_there(
    sandbox: Pool, mode: ModeChoice, solution: str, test: str
) -> None:
    verdict = await sandbox.check(solution, [test], entry_point="f", prelude=PRELUDE, mode=mode)
    assert (verdict.status, verdict.mode) == ("passed", mode), verdict.message


@pytest.mark.parametrize("mode", ["split", "in-process"])
@pytest.mark.parametrize(
    "solution",
    [
        "",
        "def g(x):\n    return 1",
        "def g(x):\n    return f(x)",  # the head in the prelude is no solution
        "x = f",
        "def f(x):\n    return absent",
        "def f(x):\n    return [v for k, v in globals().items() if 'help' in k][0](x)",  # only what it names
    ],
)
async def test_what_it_does_not_provide_is_not(sandbox: Pool, mode: ModeChoice, solution: str) -> None:
    verdict = await sandbox.check(
        solution, ["assert f(1) == 11"], entry_point="f", prelude=PRELUDE, mode=mode
    )
    assert verdict.status == "failed", verdict


async def test_a_prelude_that_does_not_run_gives_what_it_got_to(sandbox: Pool) -> None:
    prelude = "from math import floor\nraise ValueError\nfrom math import ceil\n"
    right = "def f(x):\n    return floor(x)"
    verdict = await sandbox.check(right, ["assert f(1.5) == 1"], entry_point="f", prelude=prelude)
    assert verdict.status == "passed", verdict.message
