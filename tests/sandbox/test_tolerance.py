"""Tests with a tolerance for floats, judged from outside and in one process."""

from __future__ import annotations

import pytest

from sandbox import Pool
from sandbox.types import Mode

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

NEAR = [
    ("6.1000004", "f() == 6.1"),
    ("6.1", "6.1000004 == f()"),
    ("[1.0000001, 2]", "f() == [1, 2.0]"),
    ("(1, 'a', (0.3000001,))", "f() == (1, 'a', (0.3,))"),
    ("{'a': [0.5000001]}", "f() == {'a': [0.5]}"),
    ("1e12 + 1e4", "f() == 1e12"),  # by its own size
    ("3", "f() == 3.0000001"),
    ("complex(1, 2.0000001)", "f() == 1 + 2j"),
    ("float('inf')", "f() == float('inf')"),
    ("0.1 + 0.2", "(f() == 0.3) is True"),
    ("1.0000001", "not f() != 1"),
    ("1.0000001", "1.0000002 == f() == 1.0"),
    ("[0.1, 0.2]", "all(a == b for a, b in zip(f(), [0.1000001, 0.2000001]))"),
    ("{1.0, 2.0}", "f() == {1, 2}"),
]
FAR = [
    ("6.2", "f() == 6.1"),
    ("[1.0, 2.1]", "f() == [1.0, 2.0]"),
    ("[1.0]", "f() == [1.0, 2.0]"),
    ("(1.0,)", "f() == [1.0]"),
    ("{'a': 1.0}", "f() == {'b': 1.0}"),
    ("float('nan')", "f() == float('nan')"),
    ("1e300", "f() == float('inf')"),
    ("10 ** 400", "f() == 1.5"),
    ("2", "f() == 1"),  # integers are exact
    ("10 ** 20 + 1", "f() == 10 ** 20"),
    ("'1.0'", "f() == 1.0"),
    ("None", "f() == 0.0"),
    ("True", "f() == 1.0000001"),
    ("1.0000001", "f() != 1.0"),
    ("1.0000001", "f() <= 1.0"),  # only equality is loose
]


@pytest.mark.parametrize("mode", ["split", "in-process"])
async def test_floats_that_are_near_are_equal(sandbox: Pool, mode: Mode) -> None:
    for value, claim in NEAR:
        verdict = await sandbox.check(
            f"def f():\n    return {value}", [f"assert {claim}"], entry_point="f", mode=mode, tolerance=1e-5
        )
        assert (verdict.status, verdict.mode) == ("passed", mode), (value, claim, verdict.message)


@pytest.mark.parametrize("mode", ["split", "in-process"])
async def test_others_are_not(sandbox: Pool, mode: Mode) -> None:
    for value, claim in FAR:
        verdict = await sandbox.check(
            f"def f():\n    return {value}", [f"assert {claim}"], entry_point="f", mode=mode, tolerance=1e-5
        )
        assert (verdict.status, verdict.reason) == ("failed", "assert"), (value, claim, verdict)


async def test_without_a_tolerance_floats_are_exact(sandbox: Pool) -> None:
    verdict = await sandbox.check("def f():\n    return 0.1 + 0.2", ["assert f() == 0.3"], entry_point="f")
    assert verdict.reason == "assert"


async def test_the_message_says_what_was_wanted(sandbox: Pool) -> None:
    tests = ["def check(c):\n    assert c(3) == 6.1"]
    verdict = await sandbox.check("def f(x):\n    return 7.5", tests, entry_point="f", tolerance=1e-3)
    assert verdict.message == "c(3) == ≈(6.1)  # got 7.5"


async def test_an_answer_that_equals_everything_still_does_not(sandbox: Pool) -> None:
    liar = "class L(float):\n    def __eq__(self, other):\n        return True\ndef f():\n    return L(1.0)"
    verdict = await sandbox.check(liar, ["assert f() == 2.0"], entry_point="f", mode="split", tolerance=1e-6)
    assert verdict.status == "failed"


_OBJECTS = """
from dataclasses import dataclass
@dataclass
class Point:
    x: float
class Mark:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return other == self.x
def f(kind):
    return {"point": Point, "mark": Mark}[kind](1.0000001)
"""


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        ("f('point').x == 1.0", "passed"),
        ("f('point').x == 1.1", "failed"),
        ("f('point') == f('point')", "passed"),
        ("f('point') != f('mark')", "passed"),
        ("f('mark') == 1.0000001", "passed"),
        ("f('mark') == 'a'", "failed"),  # its class says what it equals, and sees the value itself
    ],
)
async def test_objects_are_told_the_values_they_are_compared_with(
    sandbox: Pool, claim: str, status: str
) -> None:
    verdict = await sandbox.check(
        _OBJECTS, [f"assert {claim}"], entry_point="f", mode="objects", tolerance=1e-5
    )
    assert (verdict.status, verdict.reason in (None, "assert")) == (status, True), verdict
