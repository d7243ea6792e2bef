"""The ways solutions have passed tests they should not: none works here."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

TESTS = ["assert f(1, 2) == 30017", "def check(candidate):\n    assert candidate(2, 2) == 40019"]
LIMITS = Limits(wall_s=3, cpu_s=1, processes=24)

_LIAR = "class L{base}:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n" \
    "    def __bool__(self): return True\n    def __hash__(self): return 0\n"  # fmt: skip

CHEATS = {
    "exit at import": "import sys\nsys.exit(0)",
    "_exit at import": "import os\nos._exit(0)",
    "SystemExit in the function": "def f(a, b):\n    raise SystemExit(0)",
    "_exit in the function": "import os\ndef f(a, b):\n    os._exit(0)",
    "libc _exit": "import ctypes\ndef f(a, b):\n    ctypes.CDLL(None)._exit(0)",
    "equal to everything": _LIAR.format(base="") + "def f(a, b):\n    return L()",
    "an int that lies": _LIAR.format(base="(int)") + "def f(a, b):\n    return L(0)",
    "a list that lies": _LIAR.format(base="(list)") + "def f(a, b):\n    return L()",
    "expected from a frame": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
        "            if type(value) is int and 30000 < value < 50000:\n"
        "                return value\n        frame = frame.f_back\n"
    ),
    "tests in memory": (
        "import gc\ndef f(a, b):\n    for o in gc.get_objects():\n"
        "        if isinstance(o, dict) and any('assert f(' + '1, 2)' in str(v) for v in o.values()):\n"
        "            return 30017 if a == 1 else 40019\n"
    ),
    "tests in own address space": (
        "def f(a, b):\n    needle = b'assert f(1' + b', 2) =='\n"
        "    for line in open('/proc/self/maps'):\n"
        "        lo, hi = (int(x, 16) for x in line.split()[0].split('-'))\n"
        "        mem = open('/proc/self/mem', 'rb', 0)\n        mem.seek(lo)\n"
        "        try:\n            data = mem.read(hi - lo)\n        except OSError:\n            continue\n"
        "        if data and data.count(needle) > 1:\n            return 30017 if a == 1 else 40019\n"
    ),
    "patched builtins and json": (
        "import builtins, json, math, unittest\nbuiltins.AssertionError = KeyError\n"
        "json.dumps = json.loads = lambda *a, **k: 3\nbuiltins.isinstance = lambda *a: True\n"
        "unittest.TestCase.assertEqual = lambda *a: None\ndef f(a, b):\n    return 0\n"
    ),
    "a verdict on every descriptor": (
        "import json, os\ndef f(a, b):\n"
        "    for frame in ({'op': 'test', 'index': 0, 'status': 'passed', 'reason': None, 'message': ''},\n"
        "                  {'op': 'test', 'index': 1, 'status': 'passed', 'reason': None, 'message': ''},\n"
        "                  {'op': 'end'}, {'t': 'done', 'status': 'passed'}, {'value': True}):\n"
        "        data = json.dumps(frame).encode()\n"
        "        for fd in range(256):\n            try:\n"
        "                os.write(fd, len(data).to_bytes(4, 'big') + bytes(4) + data)\n"
        "            except OSError:\n                pass\n    os._exit(0)\n"
    ),
    "an answer before the question": (
        "import os\nfor fd in range(3, 64):\n    try:\n"
        "        os.write(fd, b'\\x00\\x00\\x00\\x0f{\"loaded\":true}' * 2)\n    except OSError:\n        pass\n"
    ),
    "frames of this package": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for name in ('results', 'result', 'status', 'verdict', 'report'):\n"
        "            frame.f_locals[name] = frame.f_globals[name] = 'passed'\n        frame = frame.f_back\n"
    ),
    "a daemon that answers later": (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True:\n            pass\n    os._exit(0)\ndef f(a, b):\n    return 0\n"
    ),
    "loop at import": "while True:\n    pass",
    "closing every descriptor": "import os\nos.closerange(0, 256)\ndef f(a, b):\n    return 30017",
    "killing everything in reach": (
        "import os, signal\nfor pid in range(1, 100):\n    try:\n        os.kill(pid, signal.SIGKILL)\n"
        "    except OSError:\n        pass\ndef f(a, b):\n    return 0\n"
    ),
    "arguments turned into the answer": (
        "def f(a, b):\n    import ctypes\n    class X(int):\n        __eq__ = lambda s, o: True\n"
        "    return [X(a), {X(b): X(a)}]\n"
    ),
    "an exception that lies": (
        "class AssertionError(BaseException):\n    def __str__(self): return 'passed'\n"
        "def f(a, b):\n    raise AssertionError\n"
    ),
}


@pytest.mark.parametrize("name", CHEATS)
async def test_no_cheat_passes(sandbox: Pool, name: str) -> None:
    verdict = await sandbox.check(CHEATS[name], TESTS, entry_point="f", limits=LIMITS)
    assert verdict.mode == "split"
    assert verdict.status != "passed", verdict
    assert verdict.passed == 0, verdict
    await assert_healthy(sandbox)


async def test_mutating_arguments_cannot_reach_the_expected_value(sandbox: Pool) -> None:
    solution = "def f(xs):\n    xs.clear()\n    return None"
    tests = [
        "want = [1, 2]\nassert f([2, 1]) == want",
        "xs = [2, 1]\nwant = sorted(xs)\nassert f(xs) == want",
    ]
    verdict = await sandbox.check(solution, tests, entry_point="f", limits=LIMITS)
    assert verdict.passed == 0


async def test_a_test_that_catches_everything_does_not_hide_a_dead_solution(sandbox: Pool) -> None:
    test = "try:\n    f(1, 2)\nexcept BaseException:\n    pass"
    verdict = await sandbox.check("import os\ndef f(a, b):\n    os._exit(0)", [test], entry_point="f")
    assert (verdict.status, verdict.reason) == ("failed", "no-verdict"), verdict


IN_PROCESS_TEST = (
    "import unittest\nclass T(unittest.TestCase):\n"
    "    def test_a(self):\n        self.assertEqual(f(1, 2), 3)\n"
)
DETECTED = {
    "equal to everything": CHEATS["equal to everything"],
    "patched assertions": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(a, b): return 0",
    "patched code": (
        "import unittest\ndef nothing(self, first, second, msg=None): pass\n"
        "unittest.TestCase.assertEqual.__code__ = nothing.__code__\ndef f(a, b): return 0"
    ),
    "a verdict before its turn": (
        "import json, os\nf = lambda a, b: 0\n"
        "data = json.dumps({'op': 'verdict', 'nonce': '0' * 32}).encode()\n"
        "for fd in range(3, 64):\n    try:\n        os.write(fd, len(data).to_bytes(4, 'big') + bytes(4) + data)\n"
        "    except OSError:\n        pass\nos._exit(0)\n"
    ),
}


@pytest.mark.parametrize("name", DETECTED)
async def test_cheats_in_one_process_are_detected(sandbox: Pool, name: str) -> None:
    verdict = await sandbox.check(
        DETECTED[name], [IN_PROCESS_TEST], entry_point="f", limits=LIMITS, mode="in-process"
    )
    assert (verdict.mode, verdict.passed) == ("in-process", 0), verdict
    assert verdict.status in ("failed", "tampered"), verdict
    await assert_healthy(sandbox)


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "def f(a, b):\n    import os\n    os._exit(0)"])
async def test_leaving_one_process_early_is_no_verdict(sandbox: Pool, code: str) -> None:
    verdict = await sandbox.check(code, [IN_PROCESS_TEST], entry_point="f", limits=LIMITS, mode="in-process")
    assert (verdict.status, verdict.reason) == ("failed", "no-verdict"), verdict
