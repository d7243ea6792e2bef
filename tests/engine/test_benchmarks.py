"""Benchmarks: HumanEval's own file, and how its tests are divided."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from engine.benchmarks import find_problem, load_benchmark
from engine.benchmarks.humaneval import to_problem
from engine.problems import ProblemError
from sandbox.pool import Pool

RECORD = {
    "task_id": "T/0",
    "prompt": 'def f(x):\n    """Double.\n    >>> f(1)\n    2\n    >>> g(1)\n    3\n    """\n',
    "entry_point": "f",
    "canonical_solution": "    return x * 2\n",
    "test": "import math\n\nMETADATA = {}\n\ndef check(candidate):\n    assert candidate(2) == 4\n"
    "    assert candidate(3) == 6\n    assert candidate(4) == 8\n    assert True\n",
}


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("FLOWREASONER_DATA")
    if not folder or not (Path(folder) / "HumanEval.jsonl").is_file():
        pytest.skip("HumanEval.jsonl is not here; set FLOWREASONER_DATA to its folder")
    return Path(folder)


def test_division_is_deterministic_and_keeps_splits_apart() -> None:
    problem = to_problem(RECORD, "here")
    assert problem == to_problem(dict(RECORD), "here")
    assert problem.tests.visible == ("assert f(1) == 2",)
    assert [t.splitlines()[-1].strip() for t in problem.tests.val] == ["assert candidate(2) == 4"]
    assert len(problem.tests.test) == 2
    assert all(t.startswith("import math\n") for t in problem.tests.val + problem.tests.test)


def test_a_check_with_control_flow_stays_whole() -> None:
    test = "def check(candidate):\n    for i in range(3):\n        assert candidate(i) == 2 * i\n"
    problem = to_problem(RECORD | {"test": test}, "here")
    assert problem.tests.val == ()
    assert problem.tests.test == (test,)


@pytest.mark.parametrize("record", [None, {}, RECORD | {"test": 3}])
def test_not_a_record(record: object) -> None:
    with pytest.raises(ProblemError, match="not a HumanEval record"):
        to_problem(record, "here")


def test_unknown_names() -> None:
    with pytest.raises(ProblemError, match="did you mean humaneval"):
        load_benchmark("humanevil")
    with pytest.raises(ProblemError, match="--data"):
        load_benchmark("humaneval")


def test_real_humaneval_loads(data: Path) -> None:
    problems = load_benchmark("humaneval", data)
    assert len(problems) == 164
    assert all(p.tests.test for p in problems)
    for problem in problems:
        for test in (*problem.tests.visible, *problem.tests.val, *problem.tests.test):
            ast.parse(test)
    with pytest.raises(ProblemError, match="try humaneval:HumanEval/"):
        find_problem("humaneval", "HumanEval/999", data)


@pytest.mark.asyncio(loop_scope="session")
async def test_references_pass_every_split_of_humaneval(data: Path, sandbox: Pool) -> None:
    wrong = []
    for problem in load_benchmark("humaneval", data):
        for split in ("visible", "val", "test"):
            tests = getattr(problem.tests, split)
            if tests:
                verdict = await sandbox.check(
                    problem.metadata["reference"],
                    tests,
                    entry_point=problem.entry_point,
                    prelude=problem.prelude,
                )
                if verdict.status != "passed":
                    wrong.append((problem.id, split, verdict.message))
    assert wrong == []
