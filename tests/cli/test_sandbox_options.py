"""Which sandbox a run uses is said by who starts it, and stamped on all it gave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Models, Shell
from tests.support.runs import DOUBLE


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


async def test_unsafe_local_is_typed_said_once_and_stamped(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    ended = await shell("run", str(problem_file), "--repeats", "1", "--unsafe-local", "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 0, ended.err
    assert events[0]["sandbox"] == "unsafe-local"
    said = [e["text"] for e in events if e["kind"] == "notice" and "UNSAFE" in e["text"]]
    assert len(said) == 1
    assert "no sandbox at all" in said[0]
    verdicts = [e["verdict"] for e in events if e["kind"] == "code_executed"]
    verdicts += [e["verdict"] for e in events if e["kind"] == "evaluation" and "sandbox" in e["verdict"]]
    assert {verdict["sandbox"] for verdict in verdicts} <= {"unsafe-local"}


async def test_unsafe_local_cannot_be_a_setting(shell: Shell, problem_file: Path) -> None:
    shell.env["FLOWREASONER_SANDBOX"] = "unsafe-local"
    ended = await shell("run", str(problem_file))
    assert ended.code == 2
    assert "FLOWREASONER_SANDBOX (environment): sandbox" in ended.err
    del shell.env["FLOWREASONER_SANDBOX"]
    shell.env["FLOWREASONER_UNSAFE_LOCAL"] = "1"
    ended = await shell("run", str(problem_file))
    assert ended.code == 2
    assert "there is no setting 'unsafe_local'" in ended.err


async def test_hosts_that_do_not_answer_are_named(shell: Shell) -> None:
    shell.env["FLOWREASONER_DOCKER_HOSTS"] = '["unix:///nonexistent/a.sock", "ssh://b"]'
    ended = await shell("sandbox", "status")
    assert ended.code == 3
    assert "unix:///nonexistent/a.sock: no Docker daemon here" in ended.err
    assert "ssh -nNT -L" in ended.err
    assert ended.err.count("\n") == 1
