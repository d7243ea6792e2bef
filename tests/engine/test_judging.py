"""Tests run as their problem wants them: time by the reference's own, tolerance, and bad options refused."""

from __future__ import annotations

from typing import Any

import pytest

from engine import judging
from engine.judging import judge
from engine.problems import ProblemError, parse_problem
from sandbox import Limits, Pool

# Processor time, so that it is the same however busy the machine is.
BURN = """
import time
def f(x):
    until = time.process_time() + {seconds}
    while time.process_time() < until:
        pass
    return x
"""


def _problem(**metadata: Any) -> Any:
    data = {"id": "p", "prompt": "f", "entry_point": "f", "tests": {"test": ["assert f(1) == 1"]}}
    return parse_problem({**data, "metadata": metadata}, "here")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(judging._LIMITS, "core", Limits(cpu_s=0.3))


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("metadata", "seconds", "status"),
    [
        ({"reference": BURN.format(seconds=0.5)}, 1.0, "passed"),  # twice the reference's time
        ({"reference": BURN.format(seconds=0.5)}, 60, "timeout-cpu"),  # more than four times
        ({"reference": BURN.format(seconds=0.0)}, 0.8, "timeout-cpu"),  # the reference is quick
        ({"reference": "def f(x):\n    return 2"}, 0.8, "timeout-cpu"),  # it does not pass
        ({}, 0.8, "timeout-cpu"),
        ({"reference": BURN.format(seconds=0.5)}, 0.1, "passed"),
    ],
)
async def test_slow_problems_give_time_by_their_reference(
    sandbox: Pool, metadata: dict[str, Any], seconds: float, status: str
) -> None:
    problem = _problem(**metadata)
    verdict = await judge(sandbox, problem, BURN.format(seconds=seconds), problem.tests.test)
    assert verdict.status == status, verdict.message


@pytest.mark.asyncio(loop_scope="session")
async def test_a_problem_may_allow_a_tolerance(sandbox: Pool) -> None:
    code = "def f(x):\n    return x + 1e-9"
    exact, loose = _problem(), _problem(tolerance=1e-6)
    assert (await judge(sandbox, exact, code, exact.tests.test)).reason == "assert"
    assert (await judge(sandbox, loose, code, loose.tests.test)).status == "passed"


@pytest.mark.parametrize("value", [-1e-6, 1, 7, "1e-6", True, [], float("nan"), float("inf")])
def test_a_tolerance_is_a_small_number(value: object) -> None:
    with pytest.raises(ProblemError, match=r"here: metadata.tolerance is .*; give a number from 0"):
        _problem(tolerance=value)


@pytest.mark.parametrize("value", [None, 0, 1e-9, 0.5])
def test_a_tolerance_may_be_left_out(value: float | None) -> None:
    assert _problem(tolerance=value).tolerance == (value or 0.0)
