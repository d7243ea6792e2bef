"""Benchmarks: HumanEval's own file, and how its tests are divided."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from engine.benchmarks import find_problem, load_benchmark
from engine.benchmarks.humaneval import to_problem
from engine.problems import ProblemError

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


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "here: a record is a JSON object, this is a NoneType"),
        ({}, 'here: the field "task_id" is missing'),
        (RECORD | {"test": 3}, 'here: the field "test" is a int; it should be text'),
        (RECORD | {"test": "def check("}, 'here: the field "test" is not Python'),
        (RECORD | {"prompt": ""}, 'here: the field "prompt" is empty'),
    ],
)
def test_not_a_record(record: object, told: str) -> None:
    with pytest.raises(ProblemError, match=told):
        to_problem(record, "here")


def test_unknown_names() -> None:
    with pytest.raises(ProblemError, match="did you mean humaneval"):
        load_benchmark("humanevil")
    with pytest.raises(ProblemError, match="or a JSONL file of yours"):
        load_benchmark("no-such-thing.jsonl")


def test_real_humaneval_loads(data: Path) -> None:
    problems = load_benchmark("humaneval", data)
    assert len(problems) == 164
    assert all(p.tests.test for p in problems)
    for problem in problems:
        assert not set(problem.tests.visible) & {*problem.tests.val, *problem.tests.test}
        for test in (*problem.tests.visible, *problem.tests.val, *problem.tests.test):
            ast.parse(test)
    with pytest.raises(ProblemError, match="try humaneval:HumanEval/"):
        find_problem("humaneval", "HumanEval/999", data)
