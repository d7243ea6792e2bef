"""Cheats at what tests in one process judge with; each is noticed there, and none matters in two processes.

In one process each is tried on the first of its tests; FLOWREASONER_LONG=1 tries all.
"""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import os

import pytest

from sandbox import Limits, Pool
from sandbox.types import ModeChoice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

LONG = bool(os.environ.get("FLOWREASONER_LONG"))
LIMITS = Limits(cpu_s=1, wall_s=8, processes=24)
# Of every form that a check may have. None of them is right for what `f` of a cheat gives.
TESTS = {
    "an assertion": "assert f(1, 2) == 30017",
    "all of many": "assert all(f(a, b) == w for a, b, w in [(1, 2, 30017), (2, 2, 40019)])",
    "all of many, twice": "def check(g):\n    assert g(1, 2) or True\n    assert all(g(a, b) == w for a, b, w in [(1, 2, 30017), (2, 2, 40019)])",
    "none of many": "assert not any(f(a, b) != w for a, b, w in [(1, 2, 30017), (2, 2, 40019)])",
    "a loop": "for a, b, w in zip([1, 2], [2, 2], [30017, 40019]):\n    got = f(a, b)\n    assert len([got]) == 1 and got == w\n",
    "a count": "n = 0\nfor i in range(2):\n    n += f(i, 2) == 30017 + i\nassert n == 2",
    "close": "import math\nassert math.isclose(f(1, 2), 30017.5)",
    "sorted": "want = [5, 30017]\nassert sorted([f(1, 2), 5]) == want",
    "its JSON": "import json\nassert json.dumps([f(1, 2)]) == json.dumps([30017])",
    "its text": "assert str(f(1, 2)) == '30017' and repr(f(1, 2)) == str(30017)",
    "a member": "assert f(1, 2) in {30017, 30019} and f(1, 2) in [30017]",
    "an exception": "try:\n    f(1, 2)\nexcept KeyError:\n    pass\nelse:\n    assert False",
    "a pattern": "import re\nassert re.fullmatch('3001[789]', str(f(1, 2)))",
    "a copy": "import copy\nassert copy.deepcopy({'a': f(1, 2)}) == {'a': 30017}",
    "an instance": "assert isinstance(f(1, 2), int) and f(1, 2) - 30017 == 0",
    "a function of its own": "def equal(a, b):\n    return a == b\ndef check(candidate):\n    assert equal(candidate(1, 2), 30017)\n",
    "unittest, equal": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        want = {'a': [30017]}\n        self.assertEqual({'a': [f(1, 2)]}, want)\n",
    "unittest, raises": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertRaises(KeyError):\n            f(1, 2)\n    def test_b(self):\n        self.assertRaises(KeyError, f, 2, 2)\n",
    "unittest, other assertions": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertCountEqual([f(1, 2)], [30017])\n    def test_b(self):\n        self.assertAlmostEqual(f(1, 2), 30017.25, places=3)\n    def test_c(self):\n        self.assertRegex(str(f(1, 2)), '^30017$')\n",
    "unittest, cases in turn": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        for a, w in [(1, 30017), (2, 40019)]:\n            with self.subTest(a=a):\n                self.assertEqual(f(a, 2), w)\n",
    "a mock": "from unittest import mock\nm = mock.Mock(return_value=3)\nf(m, 2)\nm.assert_called_once_with(30017)",
    "a patch": "from unittest import mock\nwith mock.patch('time.sleep') as slept:\n    f(1, 2)\nassert slept.call_args == mock.call(30017)",
}

_RESTORING = "import builtins\ndef f(a, b):\n    real = builtins.{name}\n    def fake(*args, **kwargs):\n        builtins.{name} = real\n        return {value}\n    builtins.{name} = fake\n    return 0"
_LOOKED_AT = "import builtins, os, sys, time\ndef loop(*a):\n    while True:\n        pass\ndef stop(*a):\n    raise sys.modules['guest.judge'].Interrupt\nfor name in ('guest.tampering', 'guest.inprocess'):\n    for kind in vars(sys.modules[name]).values():\n        if hasattr(kind, 'changed') and isinstance(kind, type):\n            kind.changed = {what}\nbuiltins.all = lambda *a: True\ndef f(a, b):\n    return 0"
# name: (source, the tests it aims at)
CHEATS = {
    "an int that lies and claims to be builtin": (
        "class L(int):\n    __module__ = 'builtins'\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n    __hash__ = lambda s: hash(30017)\n    __sub__ = __rsub__ = lambda s, o: 0\nL.__name__ = L.__qualname__ = 'int'\ndef f(a, b):\n    return L(0)",
        "a loop|a member|unittest, cases in turn",
    ),
    "a float that lies and claims to be builtin": (
        "class L(float):\n    __module__ = 'builtins'\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n    __hash__ = lambda s: hash(30017)\n    __float__ = __abs__ = lambda s: s\n    __sub__ = __rsub__ = lambda s, o: 0.0\n    __lt__ = __le__ = __gt__ = __ge__ = lambda s, o: True\ndef f(a, b):\n    return L('nan')",
        "close|unittest, other assertions",
    ),
    "a text that lies": (
        "class L(str):\n    __module__ = 'collections'\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n    __hash__ = lambda s: hash('30017')\n    __str__ = __repr__ = lambda s: s\ndef f(a, b):\n    return L('x')",
        "its text|a pattern",
    ),
    "a list that lies": (
        "class L(list):\n    __module__ = 'typing'\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n    __hash__ = lambda s: hash(30017)\n    __lt__ = lambda s, o: False\ndef f(a, b):\n    return L()",
        "sorted|unittest, equal",
    ),
    "equality by a metaclass": (
        "class M(type):\n    __eq__ = lambda c, o: True\n    __ne__ = lambda c, o: False\n    __hash__ = lambda c: hash(30017)\n    __instancecheck__ = lambda c, o: True\nclass L(metaclass=M):\n    __module__ = 'builtins'\ndef f(a, b):\n    return L",
        "a loop|an instance",
    ),
    "equality by a descriptor": (
        "class D:\n    def __get__(self, o, kind):\n        return lambda *a: True\nclass L:\n    __module__ = 'builtins'\n    __eq__ = D()\n    __class__ = property(lambda s: int)\n    __hash__ = lambda s: hash(30017)\n    __sub__ = lambda s, o: 0\ndef f(a, b):\n    return L()",
        "a loop|an instance",
    ),
    "all and any": (
        "import builtins\nbuiltins.all = lambda *a: True\nbuiltins.any = lambda *a: False\ndef f(a, b):\n    return 0",
        "all of many|none of many",
    ),
    "zip, range and enumerate": (
        "import builtins\nbuiltins.zip = builtins.range = builtins.enumerate = lambda *a: []\ndef f(a, b):\n    return 0",
        "a loop|a count",
    ),
    "str and repr": (
        "import builtins\nclass S(str):\n    __eq__ = lambda s, o: True\n    __hash__ = str.__hash__\nbuiltins.str = builtins.repr = lambda *a: S('30017')\ndef f(a, b):\n    return 0",
        "its text|a pattern",
    ),
    "sorted, len and isinstance": (
        "import builtins\nclass L(list):\n    __eq__ = lambda s, o: True\nbuiltins.sorted = lambda *a, **k: L()\nbuiltins.len = lambda x: 1\nbuiltins.isinstance = lambda *a: True\ndef f(a, b):\n    return 0",
        "sorted|an instance",
    ),
    "all, for one call": (
        _RESTORING.format(name="all", value="True"),
        "all of many",
    ),
    "any, for one call": (
        _RESTORING.format(name="any", value="False"),
        "none of many",
    ),
    "sorted, for one call": (
        _RESTORING.format(name="sorted", value="type('L', (list,), {'__eq__': lambda s, o: True})()"),
        "sorted",
    ),
    "str, for one call": (
        _RESTORING.format(
            name="str", value="type('L', (bytes,), {'__eq__': lambda s, o: True, '__hash__': None})()"
        ),
        "its text|a pattern",
    ),
    "names of builtins in the module": (
        "def all(*a): return True\ndef any(*a): return False\ndef zip(*a): return []\nrange = enumerate = zip\nclass L(list):\n    def __eq__(s, o): return True\ndef sorted(*a): return L()\ndef str(*a): return L()\nrepr = str\ndef len(x): return 1\ndef isinstance(*a): return True\ndef f(a, b):\n    return 0",
        "all of many|none of many|a loop|sorted|its text",
    ),
    "names put into the tests": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe()\n    while frame:\n        if 'f' in frame.f_globals:\n            frame.f_globals.update(all=lambda *a: True, any=lambda *a: False, equal=lambda *a: True, str=lambda x: '30017', repr=lambda x: '30017', n=2, want=[0, 5])\n        frame = frame.f_back\n    return 0",
        "all of many, twice|all of many|a count|a function of its own|sorted",
    ),
    "math": (
        "import math\nmath.isclose = lambda *a, **k: True\nmath.floor = math.ceil = lambda x: 30017\ndef f(a, b):\n    return 0",
        "close",
    ),
    "another math": (
        "import sys, types\nm = types.ModuleType('math')\nm.__dict__.update(vars(sys.modules.get('math') or __import__('math')))\nm.isclose = lambda *a, **k: True\nsys.modules['math'] = m\ndef f(a, b):\n    return 0",
        "close",
    ),
    "json": (
        "import json\njson.dumps = lambda *a, **k: '[30017]'\njson.loads = lambda *a: [30017]\ndef f(a, b):\n    return 0",
        "its JSON",
    ),
    "re and copy": (
        "import copy, re\nre.fullmatch = re.match = re.search = lambda *a: True\ncopy.deepcopy = copy.copy = lambda x: type('L', (dict,), {'__eq__': lambda s, o: True})()\ndef f(a, b):\n    return 0",
        "a pattern|a copy",
    ),
    "what waits for an exception": (
        "import unittest.case as c\nc._AssertRaisesContext.__exit__ = lambda *a: True\nc._AssertRaisesContext.handle = lambda *a: None\ndef f(a, b):\n    return 0",
        "unittest, raises",
    ),
    "an exception's end": (
        "import unittest.case as c\nc._AssertRaisesBaseContext.handle = lambda *a, **k: None\ndef f(a, b):\n    return 0",
        "unittest, raises",
    ),
    "the outcome of a case": (
        "import unittest.case as c\nimport contextlib\nclass Quiet:\n    def __enter__(self): return self\n    def __exit__(self, *a): return True\nc._Outcome.testPartExecutor = lambda self, *a, **k: Quiet()\ndef f(a, b):\n    return 0",
        "unittest, other assertions|unittest, raises",
    ),
    "sub-tests": (
        "import contextlib, unittest\n@contextlib.contextmanager\ndef sub(self, *a, **k):\n    try:\n        yield\n    except AssertionError:\n        pass\nunittest.TestCase.subTest = sub\ndef f(a, b):\n    return 0",
        "unittest, cases in turn",
    ),
    "mocks' calls": (
        "from unittest import mock\nmock._Call.__eq__ = lambda s, o: True\nmock._Call.__ne__ = lambda s, o: False\nmock.NonCallableMock._call_matcher = lambda s, c: 1\ndef f(a, b):\n    if callable(a):\n        a(7)\n    import time\n    time.sleep(0)\n    return 0",
        "a mock|a patch",
    ),
    "mocks' own code": (
        "from unittest import mock\nfor name in dir(mock.NonCallableMock):\n    if name.startswith('assert_'):\n        getattr(mock.NonCallableMock, name).__code__ = (lambda *a, **k: None).__code__\ndef f(a, b):\n    return 0",
        "a mock|a patch",
    ),
    "an assertion of a mock": (
        "def f(a, b):\n    a.assert_called_once_with = lambda *args, **kwargs: None\n    return 0",
        "a mock",
    ),
    "an assertion of a mock's class": (
        "def f(a, b):\n    type(a).assert_called_once_with = lambda *args, **kwargs: None\n    return 0",
        "a mock",
    ),
    "an assertion of a mock that is a mock": (
        "from unittest import mock\ndef f(a, b):\n    a.assert_called_once_with = mock.Mock()\n    return 0",
        "a mock",
    ),
    "a profiler": (
        "import sys\ndef p(frame, event, arg):\n    if 'w' in frame.f_locals:\n        frame.f_locals['got'] = frame.f_locals['w']\n    if 'want' in frame.f_locals:\n        frame.f_locals['want'] = [0, 5]\ndef f(a, b):\n    sys.setprofile(p)\n    return 0",
        "a loop|sorted",
    ),
    "locals written through ctypes": (
        "import ctypes, sys\ndef f(a, b):\n    frame = sys._getframe()\n    while frame:\n        for name in ('w', 'want'):\n            if name in frame.f_locals:\n                frame.f_locals[name] = 0 if name == 'w' else [0, 5]\n                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)\n        frame = frame.f_back\n    return 0",
        "a loop|sorted",
    ),
    "a signal's handler": (
        "import signal, sys\ndef jump(number, frame):\n    def t(frame, event, arg):\n        return t\n    sys.settrace(t)\n    while frame:\n        frame.f_trace = t\n        frame = frame.f_back\nsignal.signal(signal.SIGALRM, jump)\ndef f(a, b):\n    signal.setitimer(signal.ITIMER_REAL, 0.0001)\n    return 0",
        "a loop|a mock",
    ),
    "a callback of the collector": (
        "import builtins, gc\ndef collected(phase, info):\n    builtins.all = lambda *a: True\ngc.callbacks.append(collected)\ngc.set_threshold(1)\ndef f(a, b):\n    gc.collect()\n    return 0",
        "all of many",
    ),
    "an end of the process": (
        "import atexit, os, sys\natexit.register(os._exit, 0)\ndef f(a, b):\n    sys.exit(0)",
        "an exception|unittest, raises",
    ),
    "a thread that outlives it": (
        "import builtins, threading, time\ndef later():\n    while True:\n        builtins.all = lambda *a: True\n        time.sleep(0.0001)\nthreading.Thread(target=later, daemon=True).start()\ndef f(a, b):\n    time.sleep(0.01)\n    return 0",
        "all of many",
    ),
    "a hook for every import": (
        "import sys, types\nclass Hook:\n    def find_spec(self, name, path=None, target=None): return None\nfor name in ('math', 'json', 're', 'copy'):\n    m = types.ModuleType(name)\n    m.__getattr__ = lambda name: (lambda *a, **k: True)\n    sys.modules[name] = m\nsys.meta_path.insert(0, Hook())\ndef f(a, b):\n    return 0",
        "close|its JSON|a pattern|a copy",
    ),
    "warnings turned into nothing": (
        "import builtins\nclass Quiet(Exception): pass\nbuiltins.AssertionError = Quiet\nbuiltins.KeyError = BaseException\ndef f(a, b):\n    raise Quiet",
        "an exception|unittest, raises|unittest, equal",
    ),
    "leaving when it is looked at": (
        _LOOKED_AT.format(what="lambda *a: os._exit(0)"),
        "all of many",
    ),
    "hanging when it is looked at": (
        _LOOKED_AT.format(what="lambda *a: time.sleep(600)"),
        "all of many",
    ),
    "looping when it is looked at": (
        _LOOKED_AT.format(what="loop"),
        "all of many",
    ),
    "raising when it is looked at": (
        _LOOKED_AT.format(what="lambda *a: 1 / 0"),
        "all of many",
    ),
    "nothing to be seen": (
        _LOOKED_AT.format(what="lambda *a: ''"),
        "all of many",
    ),
    "an answer that is none when it is looked at": (
        _LOOKED_AT.format(what="lambda *a: object()"),
        "all of many",
    ),
    "an exception of the judge's when it is looked at": (
        _LOOKED_AT.format(what="stop"),
        "all of many",
    ),
    "builtins of its own": (
        "__builtins__ = {**(vars(__builtins__) if hasattr(__builtins__, 'len') else __builtins__), 'all': lambda *a: True, 'any': lambda *a: False}\ndef f(a, b):\n    return 0",
        "all of many",
    ),
    "a generator for an answer": (
        "def f(a, b):\n    try:\n        yield 30016\n    finally:\n        yield 0",
        "a loop|a member",
    ),
    "an entry point that replaces itself": (
        "def f(a, b):\n    global f\n    f = type('F', (), {'__call__': lambda s, *a: s, '__eq__': lambda s, o: True})()\n    return f",
        "a loop|a member",
    ),
    "types rewritten in memory": (
        "import ctypes\ndef f(a, b):\n    at = id(int) + 200\n    ctypes.c_void_p.from_address(at).value = ctypes.c_void_p.from_address(id(object) + 200).value\n    return 0",
        "a loop|a member|unittest, equal",
    ),
    "truth rewritten in memory": (
        "import ctypes\ndef f(a, b):\n    ctypes.c_uint64.from_address(id(False) + 16).value = 1\n    ctypes.c_uint32.from_address(id(False) + 24).value = 1\n    return False",
        "an assertion|a loop",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
async def test_it_is_noticed_in_one_process(sandbox: Pool, name: str) -> None:
    code, aims = CHEATS[name]
    for aim in aims.split("|")[: None if LONG else 1]:
        tests = [TESTS[aim]]
        verdict = await sandbox.check(code, tests, entry_point="f", limits=LIMITS, mode="in-process")
        assert (verdict.mode, verdict.passed) == ("in-process", 0), (aim, verdict)
        assert verdict.status not in ("passed", "infra"), (aim, verdict)


@pytest.mark.parametrize("mode", ["split", "objects"])
@pytest.mark.parametrize("name", CHEATS)
async def test_it_matters_nothing_in_two(sandbox: Pool, name: str, mode: ModeChoice) -> None:
    code, aims = CHEATS[name]
    tests = [TESTS[aim] for aim in aims.split("|") if "mock" not in TESTS[aim]] or [TESTS["an assertion"]]
    verdict = await sandbox.check(code, tests, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.mode, verdict.passed) == (mode, 0), verdict
    assert verdict.status not in ("passed", "infra"), verdict
