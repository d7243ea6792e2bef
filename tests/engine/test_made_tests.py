"""Tests that a worker writes: those that solutions contradict are doubtful, and are not used."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.events import ModelCallStarted, Notice, RunFinished, TestsWritten
from engine.models.base import Message, Sampling
from engine.problems import Problem
from engine.run.context import RunConfig
from sandbox.pool import Pool
from tests.support.runs import of, run_events

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROBLEM = Problem("stdin", "Write `f(x)` that doubles x.", "f")
GOOD, BAD = "assert f(1) == 2", "assert f(2) == 5"
RIGHT = "```python\ndef f(x):\n    return x * 2\n```"


def worker(tests: str, *solutions: str):  # type: ignore[no-untyped-def]
    """Writes these tests, then these solutions, the last for ever."""
    left = list(solutions)

    def reply(messages: Sequence[Message], _: Sampling) -> str:
        if "assert statements" in messages[-1]["content"]:
            return tests
        return left.pop(0) if len(left) > 1 else left[0]

    return reply


async def written(sandbox: Pool, tests: str, *solutions: str) -> tuple[TestsWritten | None, list[str], int]:
    """What was written, what was said, and how many calls that took before the workflow was asked for."""
    config = RunConfig(repeats=1, make_tests=True, variant="vanilla")
    events = await run_events(sandbox, problem=PROBLEM, worker=worker(tests, *solutions), config=config)
    assert of(events, RunFinished)
    made = of(events, TestsWritten)
    outside = [e for e in of(events, ModelCallStarted) if e.step_id is None]
    return made[0] if made else None, [e.text for e in of(events, Notice)], len(outside)


async def test_tests_that_a_solution_passes_are_used(sandbox: Pool) -> None:
    made, _, calls = await written(sandbox, f"```python\n{GOOD}\n```", RIGHT)
    assert made is not None
    assert (made.visible, made.doubtful, calls) == ((GOOD,), (), 2)


async def test_a_test_that_its_authors_own_solution_fails_is_doubtful(sandbox: Pool) -> None:
    reply = f"{RIGHT}\n```python\n{GOOD}\n{BAD}\n```"
    made, notices, calls = await written(sandbox, reply, RIGHT)
    assert made is not None
    assert (made.visible, made.doubtful, calls) == ((GOOD,), (BAD,), 1)
    assert any("doubtful" in text and BAD in text and "its author wrote" in text for text in notices)


async def test_a_test_that_two_different_solutions_fail_is_doubtful(sandbox: Pool) -> None:
    other = "```python\ndef f(x):\n    return x + x\n```"
    made, notices, calls = await written(sandbox, f"```python\n{GOOD}\n{BAD}\n```", RIGHT, other)
    assert made is not None
    assert (made.visible, made.doubtful, calls) == ((GOOD,), (BAD,), 3)
    assert any("two different solutions" in text for text in notices)


async def test_one_solution_twice_contradicts_nothing(sandbox: Pool) -> None:
    made, _, calls = await written(sandbox, f"```python\n{GOOD}\n{BAD}\n```", RIGHT)
    assert made is not None
    assert (made.visible, made.doubtful, calls) == ((GOOD, BAD), (), 3)


async def test_a_wrong_solution_alone_contradicts_nothing(sandbox: Pool) -> None:
    made, _, _ = await written(
        sandbox, f"```python\n{GOOD}\n```", "```python\ndef f(x):\n    return 0\n```", RIGHT
    )
    assert made is not None
    assert (made.visible, made.doubtful) == ((GOOD,), ())


async def test_where_all_are_doubtful_there_are_none(sandbox: Pool) -> None:
    made, notices, _ = await written(sandbox, f"{RIGHT}\n```python\n{BAD}\n```", RIGHT)
    assert made is None
    assert any("All tests that the worker wrote are doubtful" in text for text in notices)
