"""Tests that watch the process run beside the solution, and what they expect stays outside."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import ast

import pytest

from sandbox import Limits, Pool
from sandbox.guest.expected import Kept
from tests.sandbox.helpers import assert_healthy

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits(cpu_s=5)
# A solution, a test that it passes, and what spoils it.
CASES = {
    "prints": (
        "def f(n):\n    print('n is', n)",
        "import io\nfrom contextlib import redirect_stdout\nwith redirect_stdout(io.StringIO()) as out:\n    f(3)\nassert out.getvalue() == 'n is 3\\n'",
        ("n is", "N is"),
    ),
    "reads": (
        "import sys\ndef f():\n    return sum(map(int, sys.stdin))",
        "import io, sys\nsys.stdin = io.StringIO('1\\n20\\n')\nassert f() == 21",
        ("sum", "max"),
    ),
    "asks": (
        "def f():\n    return [input('a? '), input()]",
        "import builtins\nanswers = iter('xy')\nbuiltins.input = lambda *a: next(answers)\nassert f() == ['x', 'y']",
        ("'a? '), input()", "'a? ')"),
    ),
    "clock": (
        "import time\ndef f():\n    return int(time.time()) // 60",
        "from unittest.mock import patch\nwith patch('time.time', return_value=600.5):\n    assert f() == 10",
        ("// 60", "// 61"),
    ),
    "chance": (
        "import random\ndef f():\n    return random.randint(1, 6) + random.randint(1, 6)",
        "from unittest import mock\nwith mock.patch('random.randint', side_effect=[2, 5]) as roll:\n    assert f() == 7\nassert roll.call_args_list == [mock.call(1, 6)] * 2",
        ("randint(1, 6) +", "randint(0, 6) +"),
    ),
    "environment": (
        "import os\ndef f():\n    return os.environ.get('PLACE', 'none')",
        "import os\nassert f() == 'none'\nos.environ['PLACE'] = 'here'\nassert f() == 'here'",
        ("'none'", "''"),
    ),
    "files": (
        "def f(path, text):\n    with open(path, 'a') as file:\n        return file.write(text)",
        "f('a.txt', 'x')\nf('a.txt', 'y')\nassert open('a.txt').read() == 'xy'",
        ("'a')", "'w')"),
    ),
    "warnings": (
        "import warnings\ndef f():\n    warnings.warn('old', DeprecationWarning)\n    return 1",
        "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n    warnings.simplefilter('always')\n    assert f() == 1\nassert [(w.category, str(w.message)) for w in seen] == [(DeprecationWarning, 'old')]",
        ("DeprecationWarning", "UserWarning"),
    ),
    "logging": (
        "import logging\ndef f(n):\n    logging.getLogger('app').warning('got %s', n)",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertLogs('app') as logs:\n            f(3)\n        self.assertEqual(logs.output, ['WARNING:app:got 3'])",
        ("warning(", "error("),
    ),
    "threads": (
        "import threading\nseen = []\ndef f(n):\n    seen.append(threading.current_thread().name)\n    return len(seen)",
        "import threading\nt = threading.Thread(target=f, args=(1,), name='other')\nt.start()\nt.join()\nassert f(1) == 2 and seen[0] == 'other'",
        ("len(seen)", "1"),
    ),
    "tasks": (
        "import asyncio\nasync def f(queue):\n    return [await queue.get(), await queue.get()]",
        "import asyncio\nasync def main():\n    queue = asyncio.Queue()\n    task = asyncio.create_task(f(queue))\n    for n in (1, 2):\n        await asyncio.sleep(0)\n        await queue.put(n)\n    return await task\nassert asyncio.run(main()) == [1, 2]",
        ("[await queue.get(), ", "[0, "),
    ),
    "objects of the test's": (
        "def f(shape):\n    return shape.area() * 2",
        "class Square:\n    def area(self):\n        return 9\nassert f(Square()) == 18",
        ("* 2", "* 3"),
    ),
    "precision": (
        "from decimal import Decimal\ndef f():\n    return Decimal(1) / 3",
        "from decimal import getcontext\ngetcontext().prec = 4\nassert str(f()) == '0.3333'",
        ("/ 3", "/ 4"),
    ),
    "signatures": (
        "async def f(a, b=1, *, c):\n    return a",
        "import inspect\nassert inspect.iscoroutinefunction(f) and list(inspect.signature(f).parameters) == ['a', 'b', 'c']",
        ("*, c", "d"),
    ),
    "recursion": (
        "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)",
        "import sys\nsys.setrecursionlimit(6000)\nassert f(4000) == 4000",
        ("1 + f", "2 + f"),
    ),
    "weak references": (
        "import weakref\nkept = weakref.WeakValueDictionary()\ndef f(x):\n    kept['x'] = x\n    return len(kept)",
        "import gc\nclass A: pass\na = A()\nassert f(a) == 1\ndel a\ngc.collect()\nassert len(kept) == 0",
        ("WeakValueDictionary()", "WeakSet() if 0 else {}"),
    ),
}  # fmt: skip


@pytest.mark.either_backend
@pytest.mark.parametrize("name", CASES)
async def test_a_right_one_passes_and_a_wrong_one_does_not(sandbox: Pool, name: str) -> None:
    code, test, (part, other) = CASES[name]
    good = await sandbox.check(code, [test], entry_point="f", limits=LIMITS)
    assert (good.status, good.mode) == ("passed", "in-process"), good
    assert code.count(part) == 1, "what is spoilt is one place"
    bad = await sandbox.check(code.replace(part, other), [test], entry_point="f", limits=LIMITS)
    assert (bad.status, bad.mode) == ("failed", "in-process"), bad
    await assert_healthy(sandbox)


# What pytest alone understands, and whether the tests watch the process.
PYTEST = {
    "parametrize": ("import pytest\n@pytest.mark.parametrize('a,b', [(1, 2), (2, 3)])\ndef test_f(a, b):\n    assert f(a) == b", "split"),
    "fixtures": ("import pytest\n@pytest.fixture\ndef one():\n    yield 1\ndef test_f(one):\n    assert f(one) == 2", "split"),
    "classes": ("class TestF:\n    def setup_method(self):\n        self.x = 1\n    def test_one(self):\n        assert f(self.x) == 2", "split"),
    "marks": ("import pytest\n@pytest.mark.xfail(raises=TypeError)\ndef test_bad():\n    f('x')\ndef test_f():\n    assert f(1) == 2", "split"),
    "approx": ("import pytest\ndef test_f():\n    assert f(0.1) == pytest.approx(1.1)", "split"),
    "ids and nesting": ("import pytest\nclass TestA:\n    class TestB:\n        @pytest.mark.parametrize('a', [1, 5], ids=['x', 'y'])\n        def test_f(self, a):\n            assert f(a) - a == 1", "split"),
    "autouse": ("import pytest\nseen = []\n@pytest.fixture(autouse=True)\ndef clean():\n    seen.append(1)\ndef test_f():\n    assert f(len(seen)) == 2", "split"),
    "request": ("import pytest\n@pytest.fixture(params=[3, 4])\ndef n(request):\n    return request.param\ndef test_f(n):\n    assert f(n) == n + 1", "split"),
    "capsys": ("def test_f(capsys):\n    print(f(1))\n    assert capsys.readouterr().out == '2\\n'", "in-process"),
    "monkeypatch": ("import math\ndef test_f(monkeypatch):\n    monkeypatch.setenv('A', 'b')\n    assert f(1) == 2", "in-process"),
    "tmp_path": ("def test_f(tmp_path):\n    (tmp_path / 'a').write_text(str(f(1)))\n    assert (tmp_path / 'a').read_text() == '2'", "in-process"),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTEST)
async def test_pytests_own_forms_run_or_are_refused_by_name(sandbox: Pool, name: str) -> None:
    test, mode = PYTEST[name]
    good = await sandbox.check("def f(x):\n    return x + 1", [test], entry_point="f", limits=LIMITS)
    bad = await sandbox.check("def f(x):\n    return x - 1", [test], entry_point="f", limits=LIMITS)
    assert (good.mode, bad.mode, bad.status, bad.passed) == (mode, mode, "failed", 0), (good, bad)
    if good.status != "passed":
        assert sandbox.name != "docker", good
        assert (good.reason, "pytest" in good.message) == ("no-verdict", True), good


async def test_a_test_that_pytest_skips_is_no_pass(sandbox: Pool) -> None:
    test = "import pytest\n@pytest.mark.skip\ndef test_f():\n    assert f(1) == 2"
    verdict = await sandbox.check("def f(x): return 2", [test], entry_point="f", limits=LIMITS)
    assert verdict.status == "failed", verdict


KEPT = [
    ("assert f(3) == 31337", True),
    ("assert 31337 == f(3), 'message'", True),
    ("assert abs(f(3) - 31337) < 1e-6", True),
    ("x = f(1)\nassert x in (31337, 2) and x", False),
    ("assert f(1)['a'][0] <= 31337", True),
    ("assert len(f(1)) == 31337 != sum(f(2))", True),
    ("def check(candidate):\n    assert candidate(1) == {'a': [31337]}", True),
    ("for n in range(2):\n    assert f(n) == 31337", True),
    (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 31337)",
        True,
    ),
    (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertIn(f(1), [31337])",
        True,
    ),
    (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertAlmostEqual(31337.5, f(1))",
        True,
    ),
    ("try:\n    f(1)\nexcept ValueError as e:\n    assert e.args == (31337,)", True),
    ("assert all(f(x) == y for x, y in [(1, 31337)])", False),
    ("assert f(31337) == 1", False),
]


@pytest.mark.parametrize(("source", "hidden"), KEPT)
async def test_what_is_expected_is_not_in_the_test_that_runs_there(source: str, hidden: bool) -> None:
    assert ("31337" not in Kept(ast.parse(source)).source) is hidden


async def test_assertions_that_must_have_run_are_known() -> None:
    source = (
        "assert f(1) == 1\nfor x in []:\n    assert f(2) == 2\nwith open('a'):\n    assert f(3) == 3\n"
        "with raises(E):\n    assert f(4) == 4\nif x:\n    assert f(5) == 5\n"
        "def test_a():\n    assert f(6) == 6\ndef helper():\n    assert f(7) == 7"
    )
    assert Kept(ast.parse(source)).sure == {0, 2, 5}
