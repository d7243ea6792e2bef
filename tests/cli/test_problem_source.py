"""Which problem a word on the command line names, whatever stands in its path or its id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.problems import Problem, ProblemError, Tests
from tui.service.asked.problem import divide, resolve, with_tests


def write(path: Path, *ids: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps({"id": name, "prompt": f"about {name}"}) for name in ids))
    return path


@pytest.mark.parametrize(
    "name", ["mine.jsonl", "a#b/mine.jsonl", "mine#1.jsonl", "#", "a b/m#.json", "x:y.json"]
)
def test_a_hash_is_part_of_the_path_where_such_a_file_is(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "one", "two", "t#3", "#")
    for wanted in ("one", "two", "t#3", "#"):
        assert resolve(f"{path}#{wanted}").id == wanted
    with pytest.raises(ProblemError, match="it holds 4 problems; choose one as in"):
        resolve(str(path))
    with pytest.raises(ProblemError, match="no problem has the id 'none'"):
        resolve(f"{path}#none")


def test_the_longest_path_that_is_there_counts(tmp_path: Path) -> None:
    write(tmp_path / "mine", "1", "of the short")
    write(tmp_path / "mine#1", "of the long")
    assert resolve(f"{tmp_path}/mine#1").id == "of the long"
    assert resolve(f"{tmp_path}/mine#of the short").id == "of the short"


@pytest.mark.parametrize(
    "word", ["none.json", "none.json#a", "#", "", "x" * 5000, "a\0b", "~nobody-here/a.json"]
)
def test_what_is_not_there_is_one_sentence(word: str) -> None:
    with pytest.raises(
        ProblemError, match="No such file; name a file of problems, or BENCHMARK:ID"
    ) as caught:
        resolve(word)
    assert "\n" not in str(caught.value)


def test_benchmarks_are_named_as_before() -> None:
    assert resolve("pocket:example").id == "example"
    with pytest.raises(ProblemError, match="has no problem"):
        resolve("pocket:none")


WHOLE = """
import pytest

LIMIT = 3

@pytest.fixture
def test_value():
    return 1

def helper(x):
    assert x
    return x

def test_one(test_value):
    assert f(test_value) == 2

@pytest.mark.parametrize("a", [1, 2])
def test_two(a):
    assert f(a) == helper(a + 1)

class TestThree:
    def test_it(self):
        assert f(LIMIT) == 4
"""


def test_each_test_of_pytest_s_style_stands_with_all_it_needs() -> None:
    tests = divide(WHOLE, "tests.py")
    (one,), (two,), (three,) = tests.visible, tests.val, tests.test
    for source, name in ((one, "def test_one"), (two, "def test_two"), (three, "class TestThree")):
        for needed in ("import pytest", "LIMIT = 3", "def test_value", "def helper", name):
            assert needed in source
        assert sum(other in source for other in ("test_one", "test_two", "TestThree")) == 1


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("assert f(1) == 2", ["assert f(1) == 2"]),
        ("import math\nassert f(1) == math.pi", ["import math\nassert f(1) == math.pi"]),
        (
            "x = f(1)\nassert x == 2\nx = f(2)\nassert x == 3",
            ["x = f(1)\nassert x == 2", "x = f(1)\nx = f(2)\nassert x == 3"],
        ),
        ("for i in (1, 2):\n    assert f(i) == i + 1", ["for i in (1, 2):\n    assert f(i) == i + 1"]),
        ("with open('a') as a:\n    assert f(a)", ["with open('a') as a:\n    assert f(a)"]),
        ("async def test_a():\n    assert await f(1)", ["async def test_a():\n    assert await f(1)"]),
        ("class A(unittest.TestCase):\n    pass", ["class A(unittest.TestCase):\n    pass"]),
        ("def testing():\n    assert f(1)", ["def testing():\n    assert f(1)"]),
        (
            "def check(candidate):\n    assert candidate(1)",
            ["def check(candidate):\n    assert candidate(1)"],
        ),
    ],
)
def test_statements_stand_with_what_is_before_them(source: str, tests: list[str]) -> None:
    found = divide(source, "tests.py")
    assert [*found.visible, *found.val, *found.test] == tests


@pytest.mark.parametrize("source", ["", "x = 1", "def helper():\n    assert f(1)", "f(1)", "def ("])
def test_a_file_without_a_test_is_one_sentence(source: str) -> None:
    with pytest.raises(ProblemError, match=r"tests\.py: (no test in it; write asserts|not Python)"):
        divide(source, "tests.py")


@pytest.mark.parametrize(
    ("content", "tests"),
    [
        ('["assert f(1)", "assert f(2)"]', Tests(test=("assert f(1)", "assert f(2)"))),
        ('["assert f(1)"]', Tests(test=("assert f(1)",))),
        (
            '{"visible": ["assert f(1)"], "test": ["assert f(2)"]}',
            Tests(("assert f(1)",), (), ("assert f(2)",)),
        ),
        (
            '{"test": ["def check(candidate):\\n    assert candidate(1)"]}',
            Tests(test=("def check(candidate):\n    assert candidate(1)",)),
        ),
    ],
)
def test_json_tests_are_splits_or_a_list(tmp_path: Path, content: str, tests: Tests) -> None:
    path = tmp_path / "tests.json"
    path.write_text(content)
    assert with_tests(Problem("p", "?"), path, "f").tests == tests
    path.write_text("[3]")
    with pytest.raises(ProblemError, match=r"tests\.json"):
        with_tests(Problem("p", "?"), path, "f")
