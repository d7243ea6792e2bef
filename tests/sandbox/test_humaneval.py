"""HumanEval through the split check: every reference passes, and no empty body and no cheat does.

Each cheat meets a quarter of the problems, and each problem a quarter of the cheats; FLOWREASONER_LONG=1 tries
all with all.
"""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox import Limits, Pool, Verdict
from tests.sandbox.helpers import assert_healthy

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Each defines `f`, which becomes the problem's function; none knows what is asked of it.
CHEATS = {
    "sys.exit at import": "import sys\nsys.exit(0)",
    "os._exit at import": "import os\nos._exit(0)",
    "SystemExit in the function": "def f(*a, **k):\n    raise SystemExit(0)",
    "libc's _exit in the function": "import ctypes\ndef f(*a, **k):\n    ctypes.CDLL(None)._exit(0)",
    "an object equal to everything": (
        "class L:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
        "    def __bool__(self): return True\n    def __hash__(self): return 0\n    def __len__(self): return 1\n"
        "    def __sub__(self, o): return 0.0\n    def __abs__(self): return 0.0\n    def __lt__(self, o): return True\n"
        "    def __iter__(self): return iter([self])\n    def __getitem__(self, i): return self\n"
        "def f(*a, **k):\n    return L()"
    ),
    "the expected value from a frame": (
        "import sys\ndef f(*a, **k):\n    frame = sys._getframe(1)\n    while frame:\n"
        "        for names in (frame.f_locals, frame.f_globals):\n            for name in ('expected', 'want', 'answer', 'result', 'value'):\n"
        "                if name in names:\n                    return names[name]\n        frame = frame.f_back"
    ),
    "the result set through frames": (
        "import sys\ndef f(*a, **k):\n    frame = sys._getframe(1)\n    while frame:\n"
        "        for names in (frame.f_locals, frame.f_globals):\n"
        "            for name in ('result', 'results', 'stat', 'status', 'details', 'passed', 'report', 'verdict'):\n"
        "                if isinstance(names.get(name), list):\n                    names[name].append('passed')\n"
        "                names[name] = 'passed'\n        frame = frame.f_back"
    ),
    "patched assertions": (
        "import builtins, unittest\nfor name in dir(unittest.TestCase):\n    if name.startswith('assert'):\n"
        "        setattr(unittest.TestCase, name, lambda *a, **k: None)\nclass Never(Exception): pass\n"
        "builtins.AssertionError = Never\nbuiltins.all = builtins.any = builtins.isinstance = lambda *a: True\n"
        "def f(*a, **k):\n    return True"
    ),
    "a verdict on every descriptor": (
        "import json, os\ndef f(*a, **k):\n"
        "    for body in ({'op': 'test', 'index': 0, 'status': 'passed', 'reason': None, 'message': ''}, {'op': 'end'},\n"
        "                 {'t': 'done', 'status': 'passed'}, {'loaded': True}, 'passed'):\n        data = json.dumps(body).encode()\n"
        "        for fd in range(64):\n            try:\n                os.write(fd, len(data).to_bytes(4, 'big') + bytes(4) + data)\n"
        "            except OSError:\n                pass\n    os._exit(0)"
    ),
    "a daemon that answers": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True:\n            time.sleep(0.001)\n"
        "            for fd in range(3, 16):\n                try:\n                    os.write(fd, b'\\x00\\x00\\x00\\x0e{\"value\":true}')\n"
        "                except OSError:\n                    pass\n    os._exit(0)\ndef f(*a, **k):\n    time.sleep(60)"
    ),
}  # fmt: skip
LIMITS = Limits(cpu_s=1, wall_s=20, processes=24)
PART = 1 if os.environ.get("FLOWREASONER_LONG") else 4


def _load(path: Path) -> list[dict[str, Any]]:
    problems = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(problems) == 164
    return problems


async def _check(pool: Pool, problem: dict[str, Any], solution: str, limits: Limits) -> Verdict:
    return await pool.check(
        solution,
        [problem["test"]],
        entry_point=problem["entry_point"],
        prelude=problem["prompt"],
        limits=limits,
    )


async def _passed(
    pool: Pool, problems: list[dict[str, Any]], solutions: list[str], limits: Limits
) -> list[str]:
    """The ids of the problems whose solutions passed; every verdict is `split`, and none the sandbox's fault."""
    pairs = zip(problems, solutions, strict=True)
    verdicts = await asyncio.gather(*(_check(pool, problem, text, limits) for problem, text in pairs))
    assert {verdict.mode for verdict in verdicts} == {"split"}
    return [p["task_id"] for p, v in zip(problems, verdicts, strict=True) if v.status == "passed"]


@pytest.mark.parametrize("right", [True, False], ids=["references", "return None"])
async def test_all_problems(sandbox: Pool, human_eval: Path, right: bool) -> None:
    problems = _load(human_eval)
    bodies = [problem["canonical_solution"] if right else "    return None\n" for problem in problems]
    solutions = [problem["prompt"] + body for problem, body in zip(problems, bodies, strict=True)]
    passed = await _passed(sandbox, problems, solutions, Limits())
    assert len(passed) == (164 if right else 0), passed


@pytest.mark.either_backend
@pytest.mark.parametrize("name", CHEATS)
async def test_no_cheat_passes_any_problem(sandbox: Pool, human_eval: Path, name: str) -> None:
    problems = _load(human_eval)[list(CHEATS).index(name) % PART :: PART]
    solutions = [f"{CHEATS[name]}\n{problem['entry_point']} = globals().get('f')" for problem in problems]
    assert await _passed(sandbox, problems, solutions, LIMITS) == []
    await assert_healthy(sandbox)
