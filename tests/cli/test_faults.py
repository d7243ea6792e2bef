"""What is lost when a run is stopped, killed, or its store fails: nothing that had happened."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Models, Shell
from tests.support.openai_server import HANG, Reply, answer, chunk
from tests.support.runs import DOUBLE, RIGHT

STUCK = Reply([chunk("", role="assistant"), chunk("def f"), HANG])


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


async def _assert_no_containers(pid: int) -> None:
    """No container of that process is left, once it has had the time its end takes."""
    command = ("docker", "ps", "-aq", "--filter", f"label=flowreasoner.pid={pid}")
    left = b"unknown"
    async with asyncio.timeout(300):
        while left:
            listing = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            left, _ = await listing.communicate()


async def _stuck_run(shell: Shell, models: Models, problem_file: Path) -> asyncio.subprocess.Process:
    """A run whose worker never finishes its answer, once it has started to."""
    models.replies["worker"] = STUCK
    process = await shell.start("run", str(problem_file), "--repeats", "1", "--json")
    assert process.stdout is not None
    async for line in process.stdout:
        if json.loads(line)["kind"] == "model_delta" and b'"def f"' in line:
            return process
    raise AssertionError("the run ended before its worker answered")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
async def test_interrupting_records_the_end(
    shell: Shell, models: Models, problem_file: Path, how: signal.Signals
) -> None:
    process = await _stuck_run(shell, models, problem_file)
    process.send_signal(how)
    _, err = await asyncio.wait_for(process.communicate(), 300)
    assert process.returncode == 130
    assert b"Traceback" not in err
    events = [json.loads(line) for line in (await shell("show", "last", "--json")).out.splitlines()]
    assert events[-1]["kind"] == "run_finished"
    assert events[-1]["status"] == "cancelled"
    await _assert_no_containers(process.pid)


async def test_kill_9_leaves_an_interrupted_run_and_no_container(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    process = await _stuck_run(shell, models, problem_file)
    process.kill()
    await process.wait()
    models.replies["worker"] = answer(RIGHT)
    again = await shell("run", str(problem_file), "--repeats", "1")  # the next writer tidies up
    assert again.code == 0, again.err
    rows = [json.loads(line) for line in (await shell("runs", "--json")).out.splitlines()]
    assert sorted(r["status"] for r in rows) == ["interrupted", "passed"]
    (killed,) = [r["id"] for r in rows if r["status"] == "interrupted"]
    events = [json.loads(line) for line in (await shell("show", killed, "--json")).out.splitlines()]
    assert [e["seq"] for e in events] == list(range(len(events)))
    assert "step_started" in {e["kind"] for e in events}
    await _assert_no_containers(process.pid)


async def test_a_store_that_cannot_be_written(shell: Shell, models: Models, problem_file: Path) -> None:
    shell.env["FLOWREASONER_STORE"] = "/proc/store.db"
    ended = await shell("run", str(problem_file))
    assert ended.code == 3
    assert "/proc" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_a_store_that_is_no_database(shell: Shell, models: Models, problem_file: Path) -> None:
    shell.store.write_bytes(b"not a database, and somebody's only copy" * 100)
    before = shell.store.read_bytes()
    for args in (("run", str(problem_file)), ("runs",)):
        ended = await shell(*args)
        assert ended.code == 3
        assert str(shell.store) in ended.err
    assert shell.store.read_bytes() == before


async def test_no_sandbox_at_all_refuses(shell: Shell, models: Models, problem_file: Path) -> None:
    shell.env["DOCKER_HOST"] = "unix:///nonexistent.sock"
    shell.env["PATH"] = str(shell.home)
    ended = await shell("run", str(problem_file))
    assert ended.code == 3
    assert "Docker" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_without_docker_it_runs_in_bubblewrap_and_says_so(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    shell.env["DOCKER_HOST"] = "unix:///nonexistent.sock"
    ended = await shell("run", str(problem_file), "--repeats", "1")
    if "bubblewrap" in ended.err:
        pytest.skip(f"no bubblewrap on this machine: {ended.err}")
    assert ended.code == 0, ended.err
    assert "warning: Docker cannot be used" in ended.out
    assert "sandbox bwrap" in ended.out


@pytest.mark.usefixtures("light_sandbox")
async def test_where_no_socket_can_be_made_it_runs_and_says_so(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    shell.env["XDG_RUNTIME_DIR"] = str(shell.home / ("deep" * 30))
    ended = await shell("run", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err
    (told,) = ended.err.splitlines()
    assert "attach and control will not find" in told and "a folder with a short path" in told
