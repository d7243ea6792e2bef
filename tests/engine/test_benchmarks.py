"""Benchmarks: HumanEval's own file, and how its tests are divided."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from engine.benchmarks import find_problem, load_benchmark
from engine.benchmarks.examples import asserts_of
from engine.benchmarks.humaneval import to_problem
from engine.benchmarks.verify import verify
from engine.problems import ProblemError
from sandbox.pool import Pool
from sandbox.types import Sandbox

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
    with pytest.raises(ProblemError, match="or a file of yours"):
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


# Their docstrings hold no example that is certainly one.
WITHOUT_EXAMPLES = {38, 41, 50, 83, 105, 116, 160}


@pytest.mark.asyncio(loop_scope="session")
async def test_references_pass_every_test_of_humaneval_the_visible_ones_too(
    data: Path, sandbox: Pool
) -> None:
    async def core(image: str) -> Sandbox:
        assert image == "core"
        return sandbox

    problems = load_benchmark("humaneval", data)
    report = await verify(problems, core)
    assert [check for check in report.checks if check.status != "passed"] == []
    assert {check.mode for check in report.checks} == {"split"}
    without = {int(p.id.partition("/")[2]) for p in problems if not p.tests.visible}
    assert without == WITHOUT_EXAMPLES


def docstring(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f'def f(x, y=0):\n    """Do it.\n{body}\n    """\n'


@pytest.mark.parametrize(
    ("lines", "tests"),
    [
        (["f(3) == 4"], ["f(3) == 4"]),
        (["f(3) ➞ 4"], ["f(3) == 4"]),
        (["* f(3) => 4"], ["f(3) == 4"]),
        (["f(3) ==> True   # so it is"], ["f(3) == True"]),
        (["f(3) => true"], ["f(3) == True"]),
        (["f('a') returns 'b'"], ["f('a') == 'b'"]),
        (["f([1, 2]) should return 16."], ["f([1, 2]) == 16"]),
        (['f(15)   # returns "db"'], ["f(15) == 'db'"]),
        (["f(3) # => 'Yes' (because)"], ["f(3) == 'Yes'"]),
        (["f([", "  [1]", "], 1) == [(0, 0)]"], ["f([[1]], 1) == [(0, 0)]"]),
        (["f(19) ->19 - 5 - 6 = 8"], ["f(19) == 8"]),
        (["for f(7, 34) == 34"], ["f(7, 34) == 34"]),
        (["For x = 3, y = [1], the output should be 4."], ["f(3, [1]) == 4"]),
        (["Input: x = [1, 2], y = 1", "Output: [2]"], ["f([1, 2], 1) == [2]"]),
        (["Input:", "  x : [[0]]", "  y : 2", "Output: 0"], ["f([[0]], 2) == 0"]),
        ([">>> f(1)", "2", ">>> f(2) == 4"], ["f(1) == 2", "f(2) == 4"]),
        ([">>> round(f(1), 2) # about", "2.5"], ["round(f(1), 2) == 2.5"]),
        (["f(abc) => False"], ["f('abc') == False"]),
        (["g(1) ==> 2"], ["f(1) == 2"]),  # the docstring's only name for it
        (["f(1) == 2", "g(1) ==> 2"], ["f(1) == 2"]),
        # Not certainly examples, or nothing that may be taken.
        (["f(3) == f(4)"], []),
        (["f(3) == __import__('os')"], []),
        (["f(__import__('os').system('id')) == 0"], []),
        (["f(3) == 4 + x"], []),
        (['f(3) == ""a"'], []),
        (["we say that f(3) == 4"], []),
        (["f(3) = 1 + (2 / 2) apples"], []),
        (["f((((((( == 3", "f(3"], []),
        (["f(" + "[" * 3000 + " == 1"], []),
    ],
)
def test_examples_in_docstrings_become_visible_tests(lines: list[str], tests: list[str]) -> None:
    assert list(asserts_of(docstring(*lines), "f")) == [f"assert {test}" for test in tests]
