"""Cheats that know Python and Linux well: split verdicts do not notice them, one process tells on them."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

TESTS = ["assert f(1, 2) == 30017", "def check(candidate):\n    assert candidate(2, 2) == 40019"]
LIMITS = Limits(wall_s=8, cpu_s=1, processes=24, memory_mb=256)

_SEND = (
    "import os\ndef send(body, fds=range(3, 24)):\n    for fd in fds:\n        try:\n"
    "            os.write(fd, len(body).to_bytes(4, 'big') + bytes(4) + body)\n        except OSError:\n            pass\n"
)
SPLIT = {
    "code objects swapped through gc": (
        "import gc, types\ndef lie(*a, **k): return {'value': True}\nfor o in gc.get_objects():\n"
        "    if isinstance(o, types.FunctionType) and 'guest' in (o.__module__ or ''):\n        try:\n"
        "            o.__code__ = lie.__code__\n        except ValueError:\n            pass\ndef f(a, b):\n    return 0"
    ),
    "integers rewritten in memory": (
        "import ctypes\nfor n in range(-5, 257):\n    if n not in (0, 1):\n        ctypes.c_uint32.from_address(id(n) + 24).value = 30017\n"
        "def f(a, b):\n    return 7"
    ),
    "None equal to everything": (
        "import ctypes\ndef f(a, b):\n    kind = type(None)\n    ctypes.c_void_p.from_address(id(kind) + 200).value = 0\n    return None"
    ),
    "a finaliser that answers": (
        _SEND + "class D:\n    def __del__(self): send(b'{\"value\":30017}', range(3, 5))\ndef f(a, b):\n    D()\n    return 0"
    ),
    "a trace function": (
        "import sys\ndef t(frame, event, arg):\n    frame.f_trace_opcodes = True\n"
        "    frame.f_locals.update(value=30017, answer={'value': 30017}, expected=30017)\n    return t\n"
        "sys.settrace(t)\nsys.setprofile(t)\nf = lambda a, b: 0\nframe = sys._getframe()\n"
        "while frame:\n    frame.f_trace = t\n    frame = frame.f_back"
    ),
    "monitoring": (
        "import sys\nif hasattr(sys, 'monitoring'):\n    m = sys.monitoring\n    m.use_tool_id(3, 'x')\n"
        "    m.register_callback(3, m.events.PY_RETURN, lambda *a: 30017)\n    m.set_events(3, m.events.PY_RETURN)\n"
        "f = lambda a, b: 0"
    ),
    "an import hook": (
        "import builtins, sys\nclass Hook:\n    def find_spec(self, name, path=None, target=None): sys.exit(0)\n"
        "sys.meta_path.insert(0, Hook())\nsys.path_hooks.clear()\nkept = builtins.__import__\n"
        "builtins.__import__ = lambda *a, **k: sys.modules.get('json')\ndef f(a, b):\n    return 0"
    ),
    "a thread that edits the answer": (
        "import gc, threading\ndef edit():\n    while True:\n        for o in gc.get_objects():\n            if type(o) is dict and 'value' in o:\n"
        "                o['value'] = 30017\n            if type(o) is list and o and type(o[0]) is dict:\n                o[0]['status'] = 'passed'\n"
        "threading.Thread(target=edit, daemon=True).start()\ndef f(a, b):\n    return 0"
    ),
    "a child that answers for its parent": (
        _SEND + "import time\ndef f(a, b):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(0.05)\n"
        "        send(b'{\"value\":40019}')\n        os._exit(0)\n    os._exit(0)"
    ),
    "another program in its place": (
        "import os\ndef f(a, b):\n    for fd in range(3, 24):\n        try:\n            os.set_inheritable(fd, True)\n        except OSError:\n            pass\n"
        "    os.execv('/usr/bin/env', ['env', 'python3', '-c', 'print(30017)'])"
    ),
    "descriptors passed on": (
        "import array, os, socket\ndef f(a, b):\n    for fd in range(3, 24):\n        try:\n            s = socket.socket(fileno=os.dup(fd))\n"
        "            s.sendmsg([b'{}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd, 1, 2]))])\n"
        "        except OSError:\n            pass\n    return 0"
    ),
    "a peek at what waits in sockets": (
        "import os, re, socket\ndef f(a, b):\n    for fd in range(3, 24):\n        try:\n            s = socket.socket(fileno=os.dup(fd))\n"
        "            data = s.recv(1 << 16, socket.MSG_PEEK | socket.MSG_DONTWAIT)\n        except OSError:\n            continue\n"
        "        found = re.search(rb'[34]00\\d\\d', data)\n        if found:\n            return int(found[0])\n    return 0"
    ),
    "the checker's descriptors": (
        "import ctypes, os\ndef f(a, b):\n    libc = ctypes.CDLL(None)\n    for pid in (int(p) for p in os.listdir('/proc') if p.isdigit()):\n"
        "        if pid == os.getpid():\n            continue\n        pidfd = libc.syscall(434, pid, 0)\n        for fd in range(3, 16):\n"
        "            if libc.syscall(438, pidfd, fd, 0) >= 0:\n                return 30017 if a == 1 else 40019\n"
        "            try:\n                os.open(f'/proc/{pid}/fd/{fd}', os.O_RDWR)\n                return 30017 if a == 1 else 40019\n"
        "            except OSError:\n                pass\n    return 0"
    ),
    "the memory of its siblings": (
        "import ctypes, os\nclass V(ctypes.Structure):\n    _fields_ = [('b', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "def f(a, b):\n    libc, room = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n    here = V(ctypes.addressof(room), 64)\n"
        "    there = V(id(f), 64)\n    for pid in (int(p) for p in os.listdir('/proc') if p.isdigit()):\n"
        "        if pid != os.getpid() and libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:\n"
        "            return 30017 if a == 1 else 40019\n    return 0"
    ),
    "tracing its siblings": (
        "import ctypes, os\ndef f(a, b):\n    libc = ctypes.CDLL(None)\n    for pid in (int(p) for p in os.listdir('/proc') if p.isdigit()):\n"
        "        if pid != os.getpid() and libc.ptrace(0x4206, pid, 0, 0) == 0:\n            return 30017 if a == 1 else 40019\n    return 0"
    ),
    "signals to its siblings": (
        "import os, signal\ndef f(a, b):\n    for pid in (int(p) for p in os.listdir('/proc') if p.isdigit()):\n"
        "        for n in (signal.SIGSTOP, signal.SIGKILL):\n            try:\n                pid != os.getpid() and os.kill(pid, n)\n"
        "            except OSError:\n                pass\n    return 0"
    ),
    "another uid": (
        "import os\ndef f(a, b):\n    for uid in {os.stat(f'/proc/{p}').st_uid for p in os.listdir('/proc') if p.isdigit()} | {0, os.getuid() + 1, os.getuid() - 1}:\n"
        "        try:\n            if uid != os.getuid():\n                os.setuid(uid)\n                return 30017 if a == 1 else 40019\n"
        "        except OSError:\n            pass\n    return 0"
    ),
    "half of a surrogate pair": "def f(a, b):\n    return '\\ud800' * 100, {'\\udfff': '\\x00\\x1b[2J\\u202e'}",
    "keys that collide": "def f(a, b):\n    p = (1 << 61) - 1\n    return {n * p: 1 for n in range(200_000)}",
    "an integer without end": "def f(a, b):\n    return 1 << 30_000_000",
    "a number that is not one": "def f(a, b):\n    return [float('nan'), -0.0, float('inf')]",
    "no bound on recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(a, b):\n    x = []\n    for _ in range(1_000_000):\n        x = [x]\n    return x"
    ),
    "a generator that sleeps": "import time\ndef f(a, b):\n    while True:\n        time.sleep(0.01)\n        yield 30017",
    "an iterator that raises exit": "class I:\n    def __iter__(self): return self\n    def __next__(self): raise SystemExit(0)\ndef f(a, b):\n    return I()",
    "exceptions in a group": "def f(a, b):\n    raise BaseExceptionGroup('passed', [SystemExit(0), GeneratorExit()])",
    "StopIteration": "def f(a, b):\n    raise StopIteration(30017)",
    "KeyboardInterrupt": "def f(a, b):\n    raise KeyboardInterrupt",
    "the checker's own exceptions": (
        "class Interrupt(BaseException): pass\nclass NoVerdictError(BaseException): pass\nclass _GoneError(Interrupt): pass\n"
        "def f(a, b):\n    raise _GoneError"
    ),
    "the module replaced": (
        "import sys\nclass M:\n    def __getattr__(self, name): return lambda *a: 30017\nsys.modules[__name__] = sys.modules['solution'] = M()\n"
        "def f(a, b):\n    return 0"
    ),
    "mutated defaults": "def f(a, b, seen=[]):\n    seen.append((a, b))\n    a = b = seen\n    return seen",
    "frames too deep to parse": _SEND + "def f(a, b):\n    send(b'[' * 200_000)\n    return 0",
    "a number too long to parse": _SEND + "def f(a, b):\n    send(b'{\"value\":' + b'9' * 200_000 + b'}')\n    return 0",
    "tags of its own": (
        _SEND + "def f(a, b):\n    send(b'{\"value\":{\"o\":\"os.system\"}}')\n    send(b'{\"value\":{\"i\":\"0x\"}}')\n"
        "    send(b'{\"value\":{\"d\":[[[],1]]}}')\n    return 0"
    ),
    "a pickle for an answer": (
        "import pickle\nclass R:\n    def __reduce__(self): return (exec, ('import sys; sys.exit(0)',))\n"
        "def f(a, b):\n    return pickle.dumps(R()), {'py/object': 'os.system'}, '!!python/object/apply:os.system [id]'"
    ),
    "arguments rewritten behind its answer": (
        _SEND + "def f(a, b):\n    send(b'{\"value\":0,\"after\":[[30017,30017],{\"expected\":0}]}', range(3, 6))\n    return 0"
    ),
    "a message that is no text": _SEND + "def f(a, b):\n    send(b'{\"raised\":{\"x\":1},\"message\":[[[]]]}', range(3, 6))\n    return 0",
    "a hook on the way out": (
        "import atexit, sys, threading\nsys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: None\n"
        "atexit.register(__import__('os')._exit, 0)\nsys.stdout = sys.stderr = None\ndef f(a, b):\n    raise SystemError"
    ),
    "another directory": "import os\nos.chdir('/')\nos.environ.clear()\nos.rmdir(os.environ.get('HOME') or '/tmp') if 0 else None\ndef f(a, b):\n    return os.listdir('/proc')",
    "every handler and timer": (
        "import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, lambda *a: None)\n    except (OSError, ValueError):\n        pass\n"
        "signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ndef f(a, b):\n    return sum(range(10**5))"
    ),
}  # fmt: skip


# They know an answer and get it across: right once, as any guess may be, and never for both tests.
LUCKY = ("a finaliser that answers", "a child that answers for its parent", "a trace function")


@pytest.mark.parametrize("name", SPLIT)
async def test_no_deep_cheat_passes_split(sandbox: Pool, name: str) -> None:
    verdict = await sandbox.check(SPLIT[name], TESTS, entry_point="f", limits=LIMITS, mode="split")
    assert verdict.mode == "split"
    assert verdict.status not in ("passed", "infra"), verdict
    assert verdict.passed == 0 or name in LUCKY
    assert len(verdict.message) < 5000
    await assert_healthy(sandbox)


async def test_the_tests_are_in_no_file_and_no_environment(sandbox: Pool) -> None:
    """A solution that rewrites every file it can find changes nothing of its tests."""
    vandal = (
        "import os\nfor top in ('/tmp', '/dev/shm', '/proc/self', os.getcwd()):\n    for folder, _, names in os.walk(top):\n"
        "        for name in names:\n            try:\n                open(os.path.join(folder, name), 'w').write('def check(c): pass')\n"
        "            except (OSError, ValueError):\n                pass\ndef f(a, b):\n    return 0"
    )  # fmt: skip
    verdict = await sandbox.check(vandal, TESTS, entry_point="f", limits=LIMITS)
    assert verdict.passed == 0, verdict
    await assert_healthy(sandbox)


UNITTEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1, 2), 3)\n"
    "    def test_b(self):\n        self.assertTrue(isinstance(f(2, 2), float))\n"
)
# Each knows one thing of how it is checked; a solution that knew all of it could get past.
IN_PROCESS = {
    "assertions of the one test": (
        "import sys\ndef f(a, b):\n    frame = sys._getframe(1)\n    while frame:\n        test = frame.f_locals.get('self')\n"
        "        if hasattr(test, 'assertEqual'):\n            test.assertEqual = test.assertTrue = lambda *a: None\n        frame = frame.f_back\n    return 0"
    ),
    "methods of the test class": (
        "import gc, unittest\ndef f(a, b):\n    for o in gc.get_objects():\n        if isinstance(o, type) and issubclass(o, unittest.TestCase):\n"
        "            if not o.__module__.startswith('unittest'):\n                o.test_a = o.test_b = lambda self: None\n    return 3"
    ),
    "lines jumped over": (
        "import sys\ndef t(frame, event, arg):\n    return t\ndef f(a, b):\n    sys.settrace(t)\n    frame = sys._getframe(1)\n"
        "    while frame:\n        frame.f_trace = t\n        frame = frame.f_back\n    sys.settrace(None)\n    return 0"
    ),
    "the judge's own functions": (
        "import sys\nkept = sys.modules['guest.asserts'].result\ndef result(status, reason=None, message=''):\n    return kept('passed')\n"
        "sys.modules['guest.asserts'].result = result\ndef f(a, b):\n    return 0"
    ),
    "a thread that edits results": (
        "import gc, threading\ndef edit():\n    while True:\n        for o in gc.get_objects():\n            if type(o) is dict and o.get('status') == 'failed':\n"
        "                o.update(status='passed', reason=None, message='')\nthreading.Thread(target=edit, daemon=True).start()\n"
        "import time\ndef f(a, b):\n    time.sleep(0.05)\n    return 0"
    ),
    "results ahead of the tests": (
        _SEND + "import json\nsend(json.dumps({'op': 'test', 'index': 0, 'status': 'passed', 'reason': None, 'message': ''}).encode())\n"
        "def f(a, b):\n    return 0"
    ),
    "a status of its own": (
        _SEND + "import json\nsend(json.dumps({'op': 'test', 'index': 0, 'status': 'infra', 'reason': None, 'message': {}}).encode())\n"
        "send(json.dumps({'op': 'canaries', 'found': []}).encode())\nos._exit(0)"
    ),
    "AssertionError swallowed by a frame": (
        "import unittest\nclass Quiet(unittest.TestCase): pass\nunittest.TestCase.failureException = type('E', (Exception,), {})\ndef f(a, b):\n    return 0"
    ),
    "mock in the builtins": (
        "import builtins\nfrom unittest import mock\nmock.patch.object(builtins, 'isinstance', lambda *a: True).start()\ndef f(a, b):\n    return 3"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PROCESS)
async def test_deep_cheats_in_one_process_are_noticed(sandbox: Pool, name: str) -> None:
    verdict = await sandbox.check(
        IN_PROCESS[name], [UNITTEST], entry_point="f", limits=LIMITS, mode="in-process"
    )
    assert verdict.mode == "in-process"
    assert verdict.status in ("failed", "tampered"), verdict
    assert verdict.passed == 0, verdict
    await assert_healthy(sandbox)


async def test_honest_use_of_unittest_is_not_taken_for_tampering(sandbox: Pool) -> None:
    test = (
        "import unittest\nfrom unittest import mock\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
        "        cls.shared = [1]\n    def setUp(self):\n        self.maxDiff = None\n        self.helper = lambda: 3\n"
        "        self.addCleanup(lambda: None)\n    @mock.patch('os.getcwd', return_value='/x')\n    def test_a(self, cwd):\n"
        "        with self.subTest(n=1):\n            self.assertEqual(f(1, 2), self.helper())\n"
        "    def test_b(self):\n        with mock.patch('builtins.print') as said:\n            print('x')\n        said.assert_called_once()\n"
    )  # fmt: skip
    verdict = await sandbox.check("def f(a, b): return a + b", [test, "assert f(2, 2) == 4"], entry_point="f")
    assert (verdict.status, verdict.mode, verdict.passed) == ("passed", "in-process", 2), verdict
