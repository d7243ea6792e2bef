"""Further ways to pass without solving, and to break the wire: none works, and the next request finds all well."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

TESTS = ["assert f(1, 2) == 30017", "def check(candidate):\n    assert candidate(2, 2) == 40019"]
LIMITS = Limits(wall_s=8, cpu_s=1, processes=24, memory_mb=256)

SPLIT = {
    "a class that claims to be int": (
        "class L:\n    __class__ = int\n    def __eq__(self, o): return True\n    def __index__(self): return 0\n"
        "def f(a, b):\n    return L()"
    ),
    "a metaclass whose mro lies": (
        "class M(type):\n    @property\n    def __mro__(cls): return (int, object)\n    def mro(cls): return [cls, object]\n"
        "class L(metaclass=M):\n    def __eq__(self, o): return True\ndef f(a, b):\n    return L()"
    ),
    "json replaced in sys.modules": (
        "import sys, types\nm = types.ModuleType('json')\nm.dumps = m.loads = lambda *a, **k: {'value': 30017}\n"
        "m.JSONEncoder = object\nsys.modules['json'] = m\ndef f(a, b):\n    return 0"
    ),
    "the encoder replaced": (
        "import sys\nfor name, module in list(sys.modules.items()):\n    if name.startswith('guest'):\n"
        "        for attribute in ('encode', 'pack', 'judge', 'result'):\n"
        "            if hasattr(module, attribute):\n                setattr(module, attribute, lambda *a, **k: {'value': 30017})\n"
        "def f(a, b):\n    return 0"
    ),
    "the role's own frames": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe(1)\n    while frame:\n"
        "        frame.f_globals['_answer'] = lambda *a: {'loaded': True, 'value': True}\n"
        "        frame = frame.f_back\n    return 0"
    ),
    "an atexit hook": (
        "import atexit, os\natexit.register(lambda: [os.write(fd, b'\\x00\\x00\\x00\\x02{}') for fd in (1, 2)])\n"
        "def f(a, b):\n    return 0"
    ),
    "an exception named AssertionError": (
        "class AssertionError(Exception):\n    def __str__(self): return 'f(1, 2) == 30017'\n    __repr__ = __str__\n"
        "def f(a, b):\n    raise AssertionError"
    ),
    "an exception without end": "def f(a, b):\n    raise ValueError('x' * (1 << 26))",
    "an exception whose text raises": (
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\ndef f(a, b):\n    raise E"
    ),
    "an exception with a liar for its text": (
        "class S(str):\n    def __eq__(self, o): return True\n    def partition(self, s): return (1, 2, object())\n"
        "    def __hash__(self): return 0\n"
        "class E(Exception):\n    def __str__(self): return S('passed')\ndef f(a, b):\n    raise E(S('x'))"
    ),
    "an exception type with a long name": (
        "E = type('E' * 1_000_000, (Exception,), {})\ndef f(a, b):\n    raise E"
    ),
    "a generator that never ends": "def f(a, b):\n    while True:\n        yield 30017",
    "an iterator that forks": (
        "import os\nclass I:\n    def __iter__(self): return self\n    def __next__(self):\n        os.fork()\n        return 1\n"
        "def f(a, b):\n    return I()"
    ),
    "a cycle of objects": "def f(a, b):\n    x = {}\n    x['x'] = [x]\n    return x",
    "deep data": "def f(a, b):\n    x = 1\n    for _ in range(100_000):\n        x = [x]\n    return x",
    "wide data": "def f(a, b):\n    x = [0]\n    for _ in range(60):\n        x = [x, x]\n    return x",
    "a dict that grows while it is read": (
        "class D(dict):\n    def items(self):\n        self[len(self)] = 1\n        return dict.items(self)\n"
        "def f(a, b):\n    d = D(a=1)\n    return d"
    ),
    "200 MB of text": "def f(a, b):\n    return 'x' * (200 << 20)",
    "10**5000": "def f(a, b):\n    return 10**5000",
    "NaN": "def f(a, b):\n    return float('nan')",
    "True for a number": "def f(a, b):\n    return True",
    "the tests' names": "def check(candidate):\n    pass\nf = check\ncandidate = f\n",
    "the proxy's name as an argument default": "def f(a, b, equal=lambda a, b: True):\n    return equal",
    "a hostile __getattr__ on the module": (
        "def __getattr__(name):\n    return lambda *a: type('L', (), {'__eq__': lambda s, o: True})()"
    ),
    "two answers to one question": (
        "import os\ndef f(a, b):\n    body = b'{\"value\":30017}'\n    for fd in range(3, 12):\n        try:\n"
        "            os.write(fd, len(body).to_bytes(4, 'big') + bytes(4) + body)\n        except OSError:\n            pass\n    return 0"
    ),
    "a frame that never completes": (
        "import os, time\ndef f(a, b):\n    for fd in range(3, 12):\n        try:\n            os.write(fd, b'\\x00\\x10\\x00\\x00{')\n"
        "        except OSError:\n            pass\n    time.sleep(60)"
    ),
    "signals to its group": "import os, signal\ndef f(a, b):\n    os.killpg(0, signal.SIGTERM)\n    return 0",
    "an alarm": "import signal\nsignal.alarm(1)\ndef f(a, b):\n    while True:\n        pass",
    "ptrace of its parent": (
        "import ctypes, os\ndef f(a, b):\n    libc = ctypes.CDLL(None)\n"
        "    return 30017 if libc.ptrace(16, os.getppid(), 0, 0) == 0 else 0"
    ),
    "the checker by its memory": (
        "import os\ndef f(a, b):\n    for pid in os.listdir('/proc'):\n        if pid.isdigit() and int(pid) != os.getpid():\n"
        "            try:\n                if b'30017' in open(f'/proc/{pid}/mem', 'rb').read(1 << 16):\n                    return 30017\n"
        "            except OSError:\n                pass\n    return 0"
    ),
    "an answer from the last request": (
        "import os\ndef f(a, b):\n    try:\n        return int(open('/tmp/answer').read())\n"
        "    except OSError:\n        open('/tmp/answer', 'w').write('30017')"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
async def test_no_cheat_passes_split(sandbox: Pool, name: str) -> None:
    # Two lies a check: "two answers" may be right by luck once, never for both tests.
    verdict = await sandbox.check(SPLIT[name], TESTS, entry_point="f", limits=LIMITS, mode="split")
    assert verdict.mode == "split"
    assert verdict.status not in ("passed", "infra"), verdict
    if name != "two answers to one question":
        assert verdict.passed == 0, verdict
    assert len(verdict.message) < 5000
    await assert_healthy(sandbox)


UNJUDGEABLE = {
    "no plain data": "def f(x):\n    return object()",
    "too much": "def f(x):\n    return 'x' * (40 << 20)",
    "no frame": (
        "import os\ndef f(x):\n    for fd in range(3, 20):\n        try:\n            os.write(fd, b'\\xff' * 64)\n"
        "        except OSError:\n            pass"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNJUDGEABLE)
async def test_an_answer_that_cannot_be_judged_is_no_exception(sandbox: Pool, name: str) -> None:
    """Tests that want any exception, or bear one, do not take ours for the solution's."""
    tests = [
        "try:\n    f(1)\nexcept Exception:\n    pass\nelse:\n    assert False",
        "try:\n    f(1)\nexcept BaseException:\n    pass",
    ]
    verdict = await sandbox.check(UNJUDGEABLE[name], tests, entry_point="f", limits=LIMITS)
    assert (verdict.status, verdict.mode, verdict.passed) == ("failed", "split", 0), verdict
    assert {result.reason for result in verdict.tests} <= {"not-plain-data", "too-big", "no-verdict"}
    honest = await sandbox.check("def f(x):\n    raise KeyError(x)", tests, entry_point="f", limits=LIMITS)
    assert honest.status == "passed", honest
    await assert_healthy(sandbox)


async def test_true_is_not_one_where_the_test_looks(sandbox: Pool) -> None:
    """`True == 1` is Python's own; a test that cares asks for the type, and gets an honest answer."""
    liar = "class L(int):\n    __class__ = bool\ndef f():\n    return L(1)"
    verdict = await sandbox.check(liar, ["assert type(f()) is bool"], entry_point="f")
    assert verdict.passed == 0, verdict


IN_PROCESS_TEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1, 2), 3)\n"
    "    def test_b(self):\n        self.assertTrue(isinstance(f(2, 2), float))\n"
)
IN_PROCESS = {
    "isinstance": "import builtins\nbuiltins.isinstance = lambda *a: True\ndef f(a, b): return 0",
    "assertEqual": "import unittest\nunittest.TestCase.assertEqual = unittest.TestCase.assertTrue = lambda *a: None\ndef f(a, b): return 0",
    "the loader": "import unittest\nunittest.TestLoader.loadTestsFromTestCase = lambda *a: unittest.TestSuite()\ndef f(a, b): return 0",
    "run": "import unittest\nunittest.TestCase.run = lambda self, result=None: result\ndef f(a, b): return 0",
    "skips": "import unittest\ndef f(a, b): raise unittest.SkipTest('no')",
    "the result's lists": "import unittest\nunittest.TestResult.addFailure = lambda *a: None\ndef f(a, b): return 0",
    "patched when called": (
        "import unittest\ndef f(a, b):\n    unittest.TestCase.assertEqual = unittest.TestCase.assertTrue = lambda *a: None\n    return 0"
    ),
    "AssertionError": "import builtins\nbuiltins.AssertionError = KeyError\ndef f(a, b): return 0",
    "exit": "import os\ndef f(a, b): os._exit(0)",
    "equal to all": "class L(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n    __hash__ = int.__hash__\ndef f(a, b): return L(0)",
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PROCESS)
async def test_no_known_cheat_passes_in_process(sandbox: Pool, name: str) -> None:
    verdict = await sandbox.check(
        IN_PROCESS[name], [IN_PROCESS_TEST], entry_point="f", limits=LIMITS, mode="in-process"
    )
    assert verdict.mode == "in-process"
    assert verdict.status in ("failed", "tampered"), verdict
    assert verdict.passed == 0, verdict
    await assert_healthy(sandbox)
