"""Tests that a model wrote, read as Python: what a test is, and what comes with it."""

# ruff: noqa: E501 - sources read best in one piece

from __future__ import annotations

import pytest

from engine.operators.solutions import all_code
from engine.read_tests import MAX_TESTS, read_asserts, reference_in

PLAIN = "assert f(1) == 2"


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (PLAIN, [PLAIN]),
        ("assert f(\n    1\n) == (\n    2\n)", [PLAIN]),
        (f"{PLAIN}; {PLAIN}", [PLAIN]),
        (f"print('start')\n{PLAIN}\nprint('done')", [PLAIN]),
        ("got = f(1)\nassert got == 2", ["got = f(1)\nassert got == 2"]),
        (
            "got = f(1)\nassert got == 2\ngot = f(2)\nassert got == 3",
            ["got = f(1)\nassert got == 2", "got = f(2)\nassert got == 3"],
        ),
        ("xs = [2]\nf(xs)\nassert xs == []", ["xs = [2]\nf(xs)\nassert xs == []"]),
        ("d = {}\nd['a'] = 1\nother = 2\nassert f(d) == 1", ["d = {}\nd['a'] = 1\nassert f(d) == 1"]),
        ("n = 0\nn += 1\nassert f(n) == 2", ["n = 0\nn += 1\nassert f(n) == 2"]),
        ("for a, b in [(1, 2)]:\n    assert f(a) == b", ["for a, b in [(1, 2)]:\n    assert f(a) == b"]),
        (
            "cases = [(1, 2)]\nfor a, b in cases:\n    got = f(a)\n    assert got == b, a",
            ["cases = [(1, 2)]\nfor a, b in cases:\n    got = f(a)\n    assert got == b, a"],
        ),
        ("if True:\n    assert f(1) == 2", ["if True:\n    assert f(1) == 2"]),
        ("import math\nassert math.isclose(f(1), 2)", ["import math\nassert math.isclose(f(1), 2)"]),
        ("assert math.isclose(f(1), 2)", ["import math\nassert math.isclose(f(1), 2)"]),
        (
            "def near(a, b):\n    return abs(a - b) < 1\nassert near(f(1), 2)",
            ["def near(a, b):\n    return abs(a - b) < 1\nassert near(f(1), 2)"],
        ),
        ("def test_f():\n    got = f(1)\n    assert got == 2", ["def test_f():\n    got = f(1)\n    assert got == 2"]),
        ("def test_f():\n    assert f(1) == 2\ntest_f()", ["def test_f():\n    assert f(1) == 2\ntest_f()"]),
        ("def run():\n    assert f(1) == 2", ["def run():\n    assert f(1) == 2\nrun()"]),
        (
            "def same(a, b):\n    assert f(a) == b\nsame(1, 2)\nsame(2, 3)",
            [f"def same(a, b):\n    assert f(a) == b\nsame({i}, {i + 1})" for i in (1, 2)],
        ),
        ("def check(candidate):\n    assert candidate(1) == 2", ["def check(candidate):\n    assert candidate(1) == 2"]),
        (
            "class TestF:\n    def test_one(self):\n        assert f(1) == 2",
            ["class TestF:\n\n    def test_one(self):\n        assert f(1) == 2\nTestF().test_one()"],
        ),
        (
            "import unittest\nclass TestF(unittest.TestCase):\n    def test_one(self):\n"
            "        self.assertEqual(f(1), 2)\nif __name__ == '__main__':\n    unittest.main()",
            ["import unittest\nclass TestF(unittest.TestCase):\n\n    def test_one(self):\n"
             "        self.assertEqual(f(1), 2)"],
        ),
        (
            "import pytest\n@pytest.mark.parametrize('a,b', [(1, 2)])\ndef test_f(a, b):\n    assert f(a) == b",
            ["def run_test_f(a, b):\n    assert f(a) == b\nfor case in [(1, 2)]:\n    run_test_f(*case)"],
        ),
        (
            "import pytest\nwith pytest.raises(ValueError):\n    f(-1)",
            ["try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    assert False, 'ValueError was not raised'"],
        ),
        ("try:\n    assert f(1) == 2\nexcept AssertionError:\n    print('no')", [PLAIN]),
        ("if __name__ == '__main__':\n    assert f(1) == 2", [PLAIN]),
        ("f(1) == 2", [PLAIN]),
        ("cases = [(1, 2), ((2, 3), 4)]", [PLAIN, "assert f(*(2, 3)) == 4"]),
        ("def f(x):\n    return x + 1\nassert f(1) == 2", [PLAIN]),
        ("from solution import f\nassert f(1) == 2", [PLAIN]),
        ("setup()\nassert f(1) == 2", ["setup()\nassert f(1) == 2"]),
        ("import pytest\ndef test_f(tmp_path):\n    assert f(tmp_path) == 2", []),
        ("print(f(1))", []),
        ("", []),
        ("no tests", []),
        ("assert f(1 == 2", []),
    ],
)  # fmt: skip
def test_what_a_test_is(code: str, tests: list[str]) -> None:
    assert list(read_asserts(code, "f")) == tests


def test_only_so_many_and_each_once() -> None:
    many = "\n".join(f"assert f({i % 20}) == {i % 20}" for i in range(100))
    tests = read_asserts(many, "f")
    assert len(tests) == len(set(tests)) == MAX_TESTS


def test_the_solution_beside_tests_is_no_test() -> None:
    reply = "```python\ndef f(x):\n    return x + 1\n```\nand\n```python\nassert f(1) == 2\n```"
    code = all_code(reply)
    assert read_asserts(code, "f") == (PLAIN,)
    assert read_asserts(code) == (PLAIN,)
    assert reference_in(code, "f") == "def f(x):\n    return x + 1"
    assert reference_in(PLAIN, "f") is None
    assert reference_in("def f(x):\n    ...\nassert f(1) == 2", "f") is None
