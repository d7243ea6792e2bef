"""The text of the tests says how far apart test and solution can be judged; no solution is looked at."""

# ruff: noqa: E501 - tests read best with one a line

from __future__ import annotations

import ast

import pytest

from sandbox.guest import forms, judge

SPLIT = [
    "assert f([1, 2]) == [2, 1]",
    "def check(candidate):\n    for n in range(3):\n        assert candidate(n) == n",
    "import math\nassert math.isclose(f(2), 0.5)",
    "import random\nrng = random.Random(4)\nxs = [rng.randint(0, 9) for _ in range(5)]\nassert f(xs) == sorted(xs)",
    "import random\nrandom.seed(3)\nassert f(random.random()) is None",
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1).count('a'), 1)",
    "import pytest\nwith pytest.raises(ValueError, match='no') as raised:\n    f(1)\nassert raised.value.code == 4",
    "try:\n    f()\nexcept OSError as error:\n    assert error.reason == 'x'",
    "assert f(lambda x: x)(3) == 3",
    "from itertools import islice\nassert list(islice(f(), 3)) == [0, 1, 2]",
    "import asyncio\nassert asyncio.run(f(1)) == 2",
    "import os.path\nassert f(os.path.join('a', 'b')) == 'a/b'",
    "import sys\nassert f(sys.maxsize) > 0",
    "import time\nstarted = time.monotonic()\nf(1)\nassert time.monotonic() - started < 5",
    "assert f(1).strftime('%Y') == '2024'",
    "f.cache_clear()\nassert f(1) == 1",
    "with raises(NoMoney):\n    f(1)",
    "class Mine(Exception):\n    pass\nassert f(1) != 2",
]
OBJECTS = [
    "s = Stack()\ns.push(1)\nassert s.pop() == 1",
    "assert f([1, 2]).val == 1",
    "node = f(1)\nassert node.next.next is None",
    "assert f(1) == Point(1, 2)",
    "from solution import Point\nassert f(1) == 2",
    "import solution\nassert solution.Point(1) == 2",
    "with f(1) as opened:\n    assert opened == 1",
    "from dataclasses import asdict\nassert asdict(f(1)) == {}",
    "assert f(1).area() == 3",
    "assert f(1)._hidden == 3",
    "assert f(2).left.left.key == 3",
]
IN_PROCESS = [
    "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    f()\nassert out.getvalue()",
    "def test_a(capsys):\n    f()\n    assert capsys.readouterr().out",
    "def test_a(monkeypatch):\n    monkeypatch.setattr('time.time', lambda: 0)\n    assert f() == 0",
    "def test_a(tmp_path):\n    assert f(tmp_path)",
    "from unittest.mock import patch\nwith patch('builtins.input', return_value='3'):\n    assert f() == 3",
    "import unittest.mock\nassert f(unittest.mock.Mock()) is None",
    "import time\ntime.time = lambda: 5\nassert f() == 5",
    "import random\nsetattr(random, 'random', lambda: 0.5)\nassert f() == 1",
    "import os\nos.environ['A'] = '1'\nassert f() == '1'",
    "open('a', 'w').write('x')\nassert f('a') == 'x'",
    "from pathlib import Path\nPath('a').write_text('x')\nassert f('a') == 'x'",
    "import sys\nsys.setrecursionlimit(9999)\nassert f(1) == 1",
    "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n    f()\nassert seen",
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertLogs():\n            f()",
    "import threading\nthreading.Thread(target=f).start()\nassert f()",
    "import inspect\nassert inspect.isgeneratorfunction(f)",
    "from decimal import getcontext\ngetcontext().prec = 4\nassert f() == 1",
    "import numpy as np\nassert f(np.zeros(3)) == 0",
    "class Own:\n    x = 1\nassert f(Own()) == 1",
    "import asyncio\nasync def main():\n    task = asyncio.create_task(f(1))\n    return await task\nassert asyncio.run(main())",
]


@pytest.mark.parametrize(
    ("mode", "source"),
    [
        *(("split", source) for source in SPLIT),
        *(("objects", source) for source in OBJECTS),
        *(("in-process", source) for source in IN_PROCESS),
    ],
)
def test_the_tests_say_the_mode(mode: str, source: str) -> None:
    form = forms.look([ast.parse(source)], judge.namespace(""), "Stack" if "Stack" in source else "f")
    assert form.mode == mode, form.why
    assert bool(form.why) == (mode != "split")


def test_names_that_only_the_solution_has_are_asked_for() -> None:
    source = "from solution import decode\nimport solution\nassert f(encode(1)) == solution.LIMIT\nassert decode(2)"
    form = forms.look([ast.parse(source)], judge.namespace("def helper(): pass"), "f")
    assert form.names == ("LIMIT", "decode", "encode")


def test_an_object_of_the_problems_own_class_needs_one_process() -> None:
    known = judge.namespace(
        "class Tree:\n    pass\nclass TreeError(Exception):\n    pass\ndef make(): pass\n"
    )
    assert forms.look([ast.parse("assert f(Tree())")], known, "f").mode == "in-process"
    assert forms.look([ast.parse("try:\n    f(make)\nexcept TreeError: pass")], known, "f").mode == "split"


@pytest.mark.parametrize(
    ("entry_point", "source", "mode"),
    [
        ("Sum_Of", "assert Sum_Of(3) == 6", "split"),
        ("Sum", "assert Sum(3) == 6", "split"),
        ("Sum", "assert abs(Sum(3) - 6) < 1e-6", "split"),
        ("Vector", "assert Vector(1) + Vector(2) == Vector(3)", "objects"),
        ("Cache", "c = Cache(2)\nassert c.get(1) == -1", "objects"),
        ("Bank", "assert Bank()", "objects"),
    ],
)
def test_a_capital_letter_alone_makes_no_class(entry_point: str, source: str, mode: str) -> None:
    assert forms.look([ast.parse(source)], judge.namespace(""), entry_point).mode == mode
