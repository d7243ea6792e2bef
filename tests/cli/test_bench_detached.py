"""`bench --detach`: an experiment in an engine, followed and controlled from other processes."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.cli.test_bench import COUNT, check_ledger, gate, problems
from tests.support.openai_server import answer
from tests.support.runs import RIGHT
from tests.support.runtime import runtime
from tui.service.engine_process.sockets import engines

__all__ = ["problems", "runtime"]  # fixtures
pytestmark = pytest.mark.usefixtures("light_sandbox")
ONE = ("--executions", "1", "--concurrency", "1")


@pytest.fixture(autouse=True)
def ended(shell: Shell, runtime: str) -> Iterator[None]:
    """Engines that are left are ended."""
    shell.env["XDG_RUNTIME_DIR"] = runtime
    yield
    for path in engines(shell.store):
        end(int(path.stem), signal.SIGTERM)


def end(pid: int, number: signal.Signals) -> None:
    """End a process and wait until it is gone."""
    handle = os.pidfd_open(pid)
    os.kill(pid, number)
    select.select([handle], [], [])
    os.close(handle)


async def detached(shell: Shell, *args: str) -> None:
    result = await shell("bench", *args, "--detach", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert (told["kind"], told["name"], told["follow"]) == ("detached", "e", "flowreasoner attach e")


async def test_it_is_paused_cancelled_and_resumed_from_elsewhere(
    shell: Shell, models: Models, problems: Path
) -> None:
    reached = gate(models, 2)
    await detached(shell, str(problems), "--name", "e", "--variant", "vanilla", *ONE)
    await asyncio.wait_for(reached.wait(), 300)
    paused = await shell("control", "e", "pause", "--json")
    state = json.loads(paused.out)
    assert (state["status"], state["done"], state["running"]) == ("pausing", 2, 1), paused.err
    assert state["waits"] == ["1 for local/worker"]
    plain = await shell("control", "e", "state")
    assert "e  pausing" in plain.out and "vanilla 100%" in plain.out
    wrong = await shell("control", "e", "step")
    assert (wrong.code, len(wrong.err.splitlines())) == (3, 1)
    assert "takes state, pause, continue, cancel" in wrong.err
    assert json.loads((await shell("control", "e", "continue", "--json")).out)["status"] == "running"
    follower = await shell.start("attach", "--json")  # the only thing in progress: its run does not count
    assert follower.stdout is not None
    assert json.loads(await follower.stdout.readline())["kind"] == "standing"
    assert (await shell("control", "e", "cancel")).code == 0
    out, _ = await asyncio.wait_for(follower.communicate(), 300)
    assert follower.returncode == 130
    assert json.loads(out.splitlines()[-1])["resume"] == "flowreasoner bench --resume e"

    models.replies["worker"] = answer(RIGHT)
    await detached(shell, "--resume", "e")
    await shell("attach", "e")  # to its end, unless that was before this asked
    assert check_ledger(shell, COUNT)["passed"] == COUNT


async def test_kill_9_of_its_engine_loses_nothing(shell: Shell, models: Models, problems: Path) -> None:
    reached = gate(models, 3)
    await detached(shell, str(problems), "--name", "e", "--variant", "vanilla", *ONE)
    await asyncio.wait_for(reached.wait(), 300)
    with Reader(shell.store) as reader:
        holder = reader.experiments.named("e").holder
    assert holder is not None
    end(holder, signal.SIGKILL)
    models.replies["worker"] = answer(RIGHT)
    result = await shell("bench", "--resume", "e", "--json")
    assert result.code == 0, result.err
    statuses = check_ledger(shell, COUNT)
    assert statuses["passed"] == COUNT
    gone = await shell("attach", "e")
    assert (gone.code, len(gone.err.splitlines())) == (2, 1)


async def test_what_is_wrong_is_said_before_there_is_an_engine(shell: Shell, problems: Path) -> None:
    for args, told in [
        (("--variant", "vanila"), "did you mean vanilla"),
        (("--dry-run",), "--dry-run needs this terminal"),
        (("--unsafe-local",), "--unsafe-local needs this terminal"),
    ]:
        result = await shell("bench", str(problems), *args, "--detach")
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert told in result.err
    assert engines(shell.store) == []
