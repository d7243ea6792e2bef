"""Cheats that aim at how a verdict comes about: names, ends of loops, the mode, equality, and the judge itself."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import os

import pytest

from sandbox import Limits, Pool
from sandbox.types import ModeChoice
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

LIMITS = Limits(cpu_s=2, wall_s=20, processes=24)
LONG = bool(os.environ.get("FLOWREASONER_LONG"))
MODES: list[ModeChoice] = ["split", "objects", "in-process"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_class_of_the_same_name_is_not_the_builtin(sandbox: Pool, mode: ModeChoice) -> None:
    kinds = [
        "ValueError",
        "KeyError",
        "TypeError",
        "IndexError",
        "ZeroDivisionError",
        "OSError",
        "StopIteration",
        "AssertionError",
        "RuntimeError",
        "LookupError",
    ]
    code = "".join(f"class {kind}(Exception): pass\n" for kind in kinds)
    code += f"KINDS = [{', '.join(kinds)}]\ndef f(n):\n    raise KINDS[n]('no')\n"
    tests = [
        f"import builtins as b\ntry:\n    f({n})\nexcept b.{kind}:\n    pass\nexcept Exception:\n    raise TabError"
        for n, kind in enumerate(kinds)
    ]
    if mode != "in-process":
        tests = [test.replace("import builtins as b\n", "").replace("b.", "") for test in tests]
    verdict = await sandbox.check(code, tests, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.passed, verdict.mode) == (0, mode), verdict
    right = "import builtins\ndef f(n):\n    raise getattr(builtins, NAMES[n])('no')\n"
    verdict = await sandbox.check(
        f"NAMES = {kinds}\n{right}", tests, entry_point="f", limits=LIMITS, mode=mode
    )
    assert verdict.status == "passed", verdict


ENDED = [
    "assert all(map(f, [1, 2, 3]))",
    "assert list(map(f, [1])) == []",
    "assert not any(map(f, [1]))",
    "assert sum(map(f, [1, 2])) == 0",
    "for x in map(f, [1]):\n    assert x == 5",
    "assert [y for y in map(f, [1])] == []",
    "assert dict(zip(map(f, [1]), [2])) == {}",
    "assert set(filter(f, [1, 2])) == set()",
    "assert tuple(iter(lambda: f(1), None)) == ()",
    "a, b = [], [*map(f, 'xy')]\nassert a == b",
    "assert max(map(f, [1]), default=9) == 9",
    "assert ''.join(map(f, 'abc')) == ''",
]


@pytest.mark.parametrize("mode", MODES)
async def test_the_end_of_an_iteration_is_no_answer(sandbox: Pool, mode: ModeChoice) -> None:
    code = "class Late(StopIteration): pass\ndef f(x):\n    raise (Late if x == 2 else StopIteration)"
    verdict = await sandbox.check(code, ENDED, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.passed, verdict.reason) == (0, "exception"), verdict
    wanted = "try:\n    f(1)\nexcept StopIteration:\n    pass\nelse:\n    assert False"
    verdict = await sandbox.check(code, [wanted], entry_point="f", limits=LIMITS, mode=mode)
    assert verdict.status == "passed", verdict


REVEALING = {
    "a deep answer": "def f(x):\n    y = x\n    for _ in range(60):\n        y = [y]\n    return y",
    "a deeper one": "def f(x):\n    y = x\n    for _ in range(5000):\n        y = [y]\n    return y",
    "a cycle": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "a function": "def f(x):\n    return lambda *a: f",
    "an object": "class L:\n    def __eq__(self, o): return True\ndef f(x):\n    return L()",
    "a class": "class L:\n    pass\ndef f(x):\n    return L",
    "a generator": "def f(x):\n    yield f(x)",
    "a module": "import sys\ndef f(x):\n    return sys",
    "an open file": "def f(x):\n    return open('/dev/null')",
    "a thread's lock": "import threading\ndef f(x):\n    return threading.Lock()",
    "an endless number": "def f(x):\n    return 1 << 10**7",
    "its own frame": "import sys\ndef f(x):\n    return sys._getframe()",
    "arguments that cannot go back": "def f(x):\n    x.append(object())\n    return x",
    "nothing": "def f(x):\n    import os\n    os._exit(0)",
    "a name of unittest": "import unittest, unittest.mock\ndef f(x):\n    return unittest.mock.Mock()",
    "a coroutine": "async def f(x):\n    return x",
}


@pytest.mark.parametrize("name", REVEALING)
async def test_the_solution_never_chooses_the_mode(sandbox: Pool, name: str) -> None:
    """Whatever the first call gives, the second gets it as an argument, and the tests' text asked for split."""
    tests = ["assert f(f([1, 2])) == [1, 2]", "assert f([3])[0] == 4"]
    verdict = await sandbox.check(REVEALING[name], tests, entry_point="f", limits=LIMITS)
    assert (verdict.mode, verdict.passed) == ("split", 0), verdict
    assert verdict.status not in ("passed", "infra"), verdict
    await assert_healthy(sandbox)


LIARS = {
    "everything": "def __eq__(s, o): return True",
    "all but object()": "def __eq__(s, o): return type(o) is not object",
    "integers": "def __eq__(s, o): return type(o) is int",
    "texts": "def __eq__(s, o): return isinstance(o, str)",
    "containers": "def __eq__(s, o): return isinstance(o, (list, dict, tuple, set))",
    "truth": "def __eq__(s, o): return bool(o)",
    "even": "def __eq__(s, o): return not isinstance(o, int) or o % 2 == 0 or o == 3",
    "unequal to nothing": "def __eq__(s, o): return True\n    def __ne__(s, o): return False",
    "by turns": "n = 0\n    def __eq__(s, o):\n        L.n += 1\n        return L.n % 3 != 1",
    "whatever is small": "def __eq__(s, o): return not isinstance(o, int) or abs(o) < 50",
}
WANTED = ["assert f(1) == 3", "assert f(2) == 'xy'", "assert f(3) == [1, 2, 3]", "assert f(4) == {'a': 1}"]


@pytest.mark.parametrize("mode", ["objects", "in-process"])
@pytest.mark.parametrize("name", LIARS)
async def test_equality_that_lies_is_found_out(sandbox: Pool, name: str, mode: ModeChoice) -> None:
    code = f"class L:\n    {LIARS[name]}\n    __hash__ = None\ndef f(x):\n    return L()"
    verdict = await sandbox.check(code, WANTED, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.mode, verdict.passed) == (mode, 0), verdict


@pytest.mark.parametrize("mode", ["objects", "in-process"])
async def test_yes_is_not_no(sandbox: Pool, mode: ModeChoice) -> None:
    code = "class L:\n    def __eq__(s, o): return o in (True, False, None)\n    __hash__ = None\ndef f(x):\n    return L()"
    tests = [
        "assert f(1) == True",
        "assert f(2) == False",
        "assert f(3) == None",
        "assert (f(4) == 1) and f(5) == 0",
    ]
    verdict = await sandbox.check(code, tests, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.mode, verdict.passed) == (mode, 0), verdict


@pytest.mark.parametrize("base", ["int", "str", "list", "tuple", "dict", "float", "set", "bytes"])
async def test_a_plain_value_that_compares_anew_is_refused_or_plain(sandbox: Pool, base: str) -> None:
    code = f"class L({base}):\n    def __eq__(s, o): return o in (3, 'xy')\n    __hash__ = None\ndef f(x):\n    return L()"
    for mode in MODES:
        verdict = await sandbox.check(code, WANTED[:2], entry_point="f", limits=LIMITS, mode=mode)
        assert (verdict.mode, verdict.passed) == (mode, 0), verdict


PRINTED = "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f(1, 2)\nassert out.getvalue() == '30017\\n'"
CALLED = "from unittest import mock\nm = mock.Mock()\nf(m, 2)\nm.assert_called_once_with(2)"
CASE = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1, 2), 30017)\n"
JUDGES = {
    "the judge's own error, with a status of its own": (
        "import sys\ndef f(a, b):\n    raise sys.modules['guest.judge'].BadAnswerError('passed', None, '')"
    ),
    "the same with an unknown status": (
        "import sys\ndef f(a, b):\n    raise sys.modules['guest.judge'].BadAnswerError('infra', 'assert', '')"
    ),
    "the judge's interrupt": "import sys\ndef f(a, b):\n    raise sys.modules['guest.judge'].Interrupt",
    "frames rewritten as they are sent": (
        "import sys\nW = sys.modules['guest.frames'].Wire\nkept = W.send_packed\n"
        "W.send_packed = lambda self, data: kept(self, data.replace(b'\"failed\"', b'\"passed\"'))\ndef f(a, b): return 0"
    ),
    "send, too": (
        "import sys\nW = sys.modules['guest.frames'].Wire\nkept = W.send\n"
        "W.send = lambda self, message: kept(self, {**message, 'status': 'passed'})\ndef f(a, b): return 0"
    ),
    "os.write": (
        "import os\nkept = os.write\n"
        "os.write = lambda fd, data: kept(fd, bytes(data).replace(b'\"failed\"', b'\"passed\"'))\ndef f(a, b): return 0"
    ),
    "the encoder's class": (
        "import json\nkept = json.JSONEncoder.iterencode\n"
        "json.JSONEncoder.iterencode = lambda self, o, _one_shot=False: (p.replace('\"failed\"', '\"passed\"') for p in kept(self, o, _one_shot))\n"
        "def f(a, b): return 0"
    ),
    "the encoder that frames use": (
        "import sys\nencoder = sys.modules['guest.frames'].encode.__self__\nkept = encoder.iterencode\n"
        "encoder.iterencode = lambda o, _one_shot=False: (p.replace('\"failed\"', '\"passed\"') for p in kept(o, _one_shot))\ndef f(a, b): return 0"
    ),
    "the encode of frames": (
        "import sys\nF = sys.modules['guest.frames']\nkept = F.encode\n"
        "F.encode = lambda m: kept(m).replace('\"failed\"', '\"passed\"')\ndef f(a, b): return 0"
    ),
    "a judge that passes everything": (
        "import sys\nsys.modules['guest.judge'].judge = lambda *a: {'status': 'passed', 'reason': None, 'message': ''}\ndef f(a, b): return 0"
    ),
    "answers of its end": (
        "import gc\ndef f(a, b):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'SolutionEnd':\n"
        "            o.perform = lambda *a: ('passed', None, '')\n    return 0"
    ),
    "settling of its own": (
        "import gc\ndef f(a, b):\n    for o in gc.get_objects():\n        if isinstance(o, dict) and 'settled_by_the_checker' in o:\n"
        "            o['settled_by_the_checker'] = lambda *a: True\n    return 0"
    ),
    "values read from code": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe(1)\n    while frame:\n        for c in frame.f_code.co_consts:\n"
        "            if c == 30017 or c == '30017\\n':\n                print(30017)\n                return 30017\n        frame = frame.f_back"
    ),
    "values read from all code there is": (
        "import gc, types\ndef f(a, b):\n    for o in gc.get_objects():\n        code = getattr(o, '__code__', None)\n"
        "        if 30017 in getattr(code, 'co_consts', ()) and code is not f.__code__:\n            print(30017)\n            return 30017"
    ),
    "tests read before they are there": (
        "import gc\nFOUND = [o for o in gc.get_objects() if isinstance(o, dict) and 'tests' in o and 'entry_point' in o]\n"
        "def f(a, b):\n    text = repr(FOUND)\n    if '3001' + '7' in text:\n        print(30017)\n        return 30017"
    ),
    "a class for a function": "class f:\n    def __init__(self, *a): pass\n    def __eq__(self, o): return type(o) is not object\n    def __ne__(self, o): return False",
    "a callable object": (
        "class L:\n    def __eq__(self, o): return type(o) is not object\n    def __ne__(self, o): return False\n"
        "class F:\n    def __call__(self, *a): return L()\nf = F()"
    ),
    "assertions that do nothing": (
        "import unittest\nfor name in dir(unittest.TestCase):\n    if name.startswith('assert'):\n        setattr(unittest.TestCase, name, lambda *a, **k: None)\ndef f(a, b): return 0"
    ),
    "mocks that do nothing": (
        "from unittest import mock\nmock.NonCallableMock.assert_called_once_with = lambda *a, **k: None\ndef f(a, b): return 0"
    ),
    "exec that does nothing": "import builtins\nbuiltins.exec = lambda *a: None\ndef f(a, b): return 0",
    "an exit in the test": "import os\ndef f(a, b): os._exit(0)",
}  # fmt: skip


@pytest.mark.parametrize("name", JUDGES)
async def test_no_hold_on_the_judge_passes_a_test(sandbox: Pool, name: str) -> None:
    alone = ([PRINTED], [CASE], [CALLED]) if LONG else ()  # each of these checks costs its container
    for tests in ([PRINTED, CASE, CALLED], *alone):
        verdict = await sandbox.check(JUDGES[name], tests, entry_point="f", limits=LIMITS, mode="in-process")
        assert (verdict.mode, verdict.passed) == ("in-process", 0), (tests, verdict)
        assert verdict.status not in ("passed", "infra"), (tests, verdict)
    await assert_healthy(sandbox)


@pytest.mark.parametrize("name", JUDGES)
async def test_outside_no_hold_on_the_judge_matters(sandbox: Pool, name: str) -> None:
    for mode in MODES[:2]:
        verdict = await sandbox.check(JUDGES[name], [CASE], entry_point="f", limits=LIMITS, mode=mode)
        assert (verdict.mode, verdict.passed) == (mode, 0), verdict


async def test_honest_ones_pass_beside_all_that(sandbox: Pool) -> None:
    code = "def f(a, b):\n    if callable(a):\n        a(b)\n    print(30017)\n    return 30017"
    verdict = await sandbox.check(code, [PRINTED, CASE, CALLED], entry_point="f", limits=LIMITS)
    assert (verdict.status, verdict.mode, verdict.passed) == ("passed", "in-process", 3), verdict


async def test_a_liar_with_operators_stays_outside(sandbox: Pool) -> None:
    """An object is no value where the tests do not ask for objects, whatever it can be added to."""
    code = "class L:\n    __sub__ = __rsub__ = __abs__ = __float__ = lambda *a: 0.0\n    __lt__ = __contains__ = __eq__ = lambda *a: True\n    startswith = lambda *a: True\ndef f(x):\n    return L()"
    tests = ["assert abs(f(2) - 0.5) < 1e-6", "assert 'a' in f(1)", "assert f(1) < 3", "assert f(1).startswith('x')", "import math\nassert math.isclose(f(1), 0.0)"]  # fmt: skip
    verdict = await sandbox.check(code, tests, entry_point="f", limits=LIMITS)
    assert (verdict.mode, verdict.passed, verdict.reason) == ("split", 0, "not-plain-data"), verdict
    assert '"mode": "objects"' in verdict.message
