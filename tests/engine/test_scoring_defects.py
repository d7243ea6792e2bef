"""What released scorers get wrong: right solutions that score 0, empty tests that pass, infra as wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.benchmarks import bigcodebench, mbpp
from engine.benchmarks.humaneval import to_problem as humaneval
from engine.benchmarks.verify import verify
from engine.problems import Problem, Tests
from engine.scores.scoring import score_answer
from sandbox.pool import Pool
from sandbox.types import Sandbox, SandboxError
from tests.engine.test_benchmark_adapters import BIGCODE, MBPP, NODE
from tests.engine.test_benchmarks import RECORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
HELPER = {
    "task_id": "T/38",
    "prompt": 'def encode(s: str):\n    return s[::-1]\n\n\ndef decode(s: str):\n    """Undo encode."""\n',
    "entry_point": "decode",
    "canonical_solution": "    return s[::-1]\n",
    "test": "def check(candidate):\n    for s in ('ab', 'abc'):\n        assert candidate(encode(s)) == s\n",
}
# Indented and spliced tests are where released scorers give right solutions 0.
ODD = {
    **MBPP,
    "test_list": [
        "    assert twice(1) == 2",
        "assert (\n    twice(2) == 4\n)",
        "assert twice(3) == 6 # six",
    ],
}


def of_core(problem: Problem) -> Problem:
    """BigCodeBench's own image has what this record does not use."""
    return replace(problem, metadata={**problem.metadata, "image": "core"})


PROBLEMS = [
    humaneval(RECORD, "here"),
    humaneval(HELPER, "here"),
    mbpp.to_problem(MBPP, "here"),
    mbpp.to_problem(ODD, "here"),
    mbpp.to_problem(NODE, "here", "mbpp-sanitized"),
    of_core(bigcodebench.to_problem(BIGCODE, "here")),
]


async def test_right_solutions_of_every_shape_score_1(sandbox: Pool) -> None:
    async def core(image: str) -> Sandbox:
        assert image == "core"
        return sandbox

    report = await verify(PROBLEMS, core)
    assert [(c.id, c.message) for c in report.checks if c.status != "passed"] == []
    for problem in PROBLEMS:
        score = await score_answer(problem, problem.metadata["reference"], "test", core)
        assert (score.value, score.passed) == (1.0, len(problem.tests.test)), problem.id
        assert score.details["metric"] == "tests"


async def test_half_right_is_a_fraction_and_says_it_is_of_tests(sandbox: Pool) -> None:
    async def core(image: str) -> Sandbox:
        return sandbox

    problem = of_core(bigcodebench.to_problem(BIGCODE, "here"))
    code = "def task_func(n):\n    return 2 * n if n >= 0 else 0"
    score = await score_answer(problem, code, "test", core)
    assert (score.value, score.passed, score.total) == (0.5, 1, 2)
    assert score.details["metric"] == "tests"


async def test_no_tests_are_no_score(sandbox: Pool) -> None:
    async def core(image: str) -> Sandbox:
        return sandbox

    problem = Problem("none", "?", "f", "code", Tests())
    score = await score_answer(problem, "def f():\n    pass", "test", core)
    assert (score.value, score.total) == (None, 0)
    assert (await sandbox.check("def f():\n    pass", [], entry_point="f")).status == "failed"


@pytest.mark.parametrize(
    "code", ["def g(x):\n    return 2 * x", "f = 3", "def f(x:\n", "raise SystemExit(0)", ""]
)
async def test_a_solution_without_the_entry_point_scores_0_with_a_reason(sandbox: Pool, code: str) -> None:
    async def core(image: str) -> Sandbox:
        return sandbox

    score = await score_answer(humaneval(RECORD, "here"), code, "test", core)
    assert (score.value, score.passed) == (0.0, 0)
    assert score.reason


@pytest.mark.parametrize("problem", [PROBLEMS[0], Problem("m", "?", kind="math", answer="x+1")])
async def test_a_sandbox_that_fails_gives_no_score_at_all(problem: Problem) -> None:
    async def gone(image: str) -> Any:
        raise SandboxError("daemon-down", "Docker is away")

    with pytest.raises(SandboxError, match="Docker is away"):
        await score_answer(problem, "1+x", "test", gone)
    (check,) = (await verify([PROBLEMS[0]], gone)).checks
    assert (check.status, check.message) == ("infra", "Docker is away")
