"""Right solutions whose tests run beside them: what they do to their process is no tampering."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

# name: (solution, test, prelude)
HONEST = {
    "prints": (
        "def f(a,b):\n    print(a+b)",
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f(1, 2)\nassert out.getvalue() == '3\\n'",
        "",
    ),
    "patched open": (
        "def f(p):\n    with open(p) as h:\n        return h.read()",
        "from unittest import mock\nwith mock.patch('builtins.open', mock.mock_open(read_data='x')):\n    assert f('a') == 'x'",
        "",
    ),
    "patched twice": (
        "import time\ndef f(n):\n    time.sleep(n)\n    return n",
        "from unittest import mock\nwith mock.patch('time.sleep') as s:\n    assert f(3) == 3\ns.assert_called_once_with(3)\nwith mock.patch.object(__import__('time'), 'sleep') as s:\n    f(4)\nassert s.call_count == 1",
        "",
    ),
    "input": (
        "def f():\n    return int(input()) + 1",
        "import builtins\nbuiltins.input = lambda *a: '3'\nassert f() == 4",
        "",
    ),
    "callback global": (
        "def f(g):\n    g(); g()",
        "n = 0\ndef g():\n    global n\n    n += 1\nf(g)\nassert n == 2\nimport threading",
        "",
    ),
    "callback nonlocal": (
        "def f(g):\n    g(); g()",
        "import threading\ndef check(c):\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    c(g)\n    assert n == 2",
        "",
    ),
    "prelude global": (
        "def f(x):\n    tick()\n    return x",
        "import threading\nassert f(1) == 1 and f(2) == 2",
        "n = 0\ndef tick():\n    global n\n    n += 1\n",
    ),
    "compat shim": (
        "import collections, collections.abc\ncollections.Mapping = collections.abc.Mapping\nimport decimal\ndecimal.getcontext().prec = 40\nimport random\nrandom.seed(3)\ndef f(x):\n    return isinstance(x, collections.Mapping)",
        "import threading\nassert f({})",
        "",
    ),
    "random patched": (
        "import random\ndef f():\n    return random.random()",
        "import random\nrandom.random = lambda: 0.25\nassert f() == 0.25\nimport threading",
        "",
    ),
    "own sum": (
        "def sum(xs):\n    t = 0\n    for x in xs: t += x\n    return t\ndef f(xs):\n    return sum(xs)",
        "import threading\nassert f([1,2]) == sum([1,2])",
        "",
    ),
    "json subclass": (
        "import json, re, copy, string\nclass E(json.JSONEncoder):\n    def default(self, o): return str(o)\ndef f(x):\n    return json.dumps(x, cls=E)",
        "import threading\nassert f({1j}) == '\"{1j}\"' or f({1j})",
        "",
    ),
    "mock args": (
        "def f(m):\n    m.go(1)\n    return m.value",
        "from unittest.mock import Mock, MagicMock, call\nm = MagicMock(value=3)\nassert f(m) == 3\nm.go.assert_called_once_with(1)\nassert m.mock_calls == [call.go(1)]",
        "",
    ),
    "case": (
        "def f(a,b):\n    if b == 0: raise KeyError('x')\n    return a/b",
        "import unittest, threading\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.x = 3\n    def setUp(self):\n        self.y = 4\n    def test_a(self):\n        with self.assertRaises(KeyError):\n            f(1, 0)\n    def test_b(self):\n        for a in (1, 2):\n            with self.subTest(a=a):\n                self.assertEqual(f(a, 1), a)\n    def test_c(self):\n        with self.assertLogs('x') as logs:\n            import logging\n            logging.getLogger('x').warning('y')\n        self.assertEqual(len(logs.output), 1)\n",
        "",
    ),
    "threads": (
        "import threading\ndef f(n):\n    out=[]\n    ts=[threading.Thread(target=out.append,args=(i,)) for i in range(n)]\n    [t.start() for t in ts]; [t.join() for t in ts]\n    return sorted(out)",
        "import threading\nassert f(3) == [0,1,2]\nassert threading.active_count() == 1",
        "",
    ),
    "async": (
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x",
        "import asyncio\nasync def main():\n    a = asyncio.create_task(f(1))\n    return await asyncio.gather(a, f(2))\nassert asyncio.run(main()) == [1, 2]",
        "",
    ),
    "warn": (
        "import warnings\ndef f():\n    warnings.warn('x', DeprecationWarning)",
        "import warnings\nwith warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    f()\nassert len(w) == 1",
        "",
    ),
    "recursion+lru": (
        "import functools\n@functools.lru_cache\ndef f(n):\n    return n if n < 2 else f(n-1) + f(n-2)",
        "import threading\nassert f(30) == 832040\nassert f.cache_info().hits",
        "",
    ),
    "loop": (
        "def f(a,b):\n    return a*b",
        "import threading\nfor a, b, w in [(1,2,2),(2,3,6)]:\n    got = f(a,b)\n    assert got == w\nassert [f(i, 1) for i in range(300)] == list(range(300))",
        "",
    ),
    "copyreg": (
        "import copy, re, pickle\nclass P:\n    def __init__(self, x): self.x = x\ndef f(x):\n    p = copy.deepcopy(P(x)); q = pickle.loads(pickle.dumps([x])); re.compile('a+'); return p.x + q[0]",
        "import threading, copy\nassert f(2) == 4",
        "",
    ),
}


@pytest.mark.parametrize("name", HONEST)
async def test_it_passes(sandbox: Pool, name: str) -> None:
    code, test, prelude = HONEST[name]
    limits = Limits(cpu_s=5, processes=24)
    verdict = await sandbox.check(code, [test], entry_point="f", prelude=prelude, limits=limits)
    assert (verdict.status, verdict.mode) == ("passed", "in-process"), verdict
