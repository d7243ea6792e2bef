"""bubblewrap for a user who may hand out no uids: weaker, which it says, and still not forged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import SandboxError
from sandbox.bwrap_backend import interpreter
from tests.sandbox.test_cheats import CHEATS, TESTS
from tests.sandbox.test_cheats_deep import SPLIT

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
GOOD = "def f(a, b):\n    return {(1, 2): 30017, (2, 2): 40019}[a, b]"


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user; this user's own sandbox is tested elsewhere")
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    try:
        python = interpreter()
    except SandboxError as error:
        pytest.skip(str(error))
    script = str(Path(__file__).with_name("ordinary_user.py"))
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    as_nobody["env"] = {"PATH": "/usr/bin:/bin"}
    if subprocess.run(["test", "-r", script], check=False, **as_nobody).returncode:
        pytest.skip("an ordinary user cannot read this checkout")
    asked = {"tests": TESTS, "solutions": {"good": GOOD, **CHEATS, **SPLIT, "good again": GOOD}}
    done = subprocess.run(
        [python, "-I", script, str(ROOT)],
        input=json.dumps(asked).encode(), capture_output=True, check=False, **as_nobody,
    )  # fmt: skip
    if b"namespace" in done.stderr and done.returncode:
        pytest.skip("this kernel gives ordinary users no namespaces")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_it_says_what_is_weaker(told: dict[str, object]) -> None:
    assert "All code runs under one uid." in str(told["description"])


# Under one uid these reach the process that forks them: the container ends, and no verdict is given.
SUICIDES = {"killing everything in reach", "signals to its siblings"}


def test_no_cheat_passes_and_nothing_is_left(told: dict[str, object]) -> None:
    statuses = told["statuses"]
    assert isinstance(statuses, dict)
    passed = {name for name, status in statuses.items() if status == "passed"}
    assert passed == {"good", "good again"}
    assert {name for name, status in statuses.items() if status == "infra"} <= SUICIDES
    assert told["problems"] == []
    assert told["loop"] == "timeout-cpu"
