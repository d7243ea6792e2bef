"""`bench --processes`: worker processes of this machine, which are killed, and whose driver is."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.cli.test_bench import check_ledger, ended, gate, until
from tests.support import jobs
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE, RIGHT

pytestmark = pytest.mark.usefixtures("light_sandbox")
COUNT = 6


def workers(shell: Shell) -> list[int]:
    """The worker processes of this test's commands."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            is_one = folder.name.isdecimal() and b"worker_process" in (folder / "cmdline").read_bytes()
            if is_one and f"FLOWREASONER_STORE={shell.store}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


async def test_a_killed_worker_and_a_killed_driver_lose_nothing_and_leave_nothing(
    shell: Shell, models: Models
) -> None:
    problems = shell.home / "doubles.jsonl"
    one = DOUBLE.to_json()
    # Ids and prompts that a careless message between processes would break.
    lines = (
        json.dumps(one | {"id": f'p/{n} "],["\u2028', "prompt": f"{n}: \u2028\x85"}) for n in range(COUNT)
    )
    problems.write_text("\n".join(lines))
    variant = ("--variant", "flowreasoner,rounds=1,executions=1")
    options = (*variant, "--name", "e", "--concurrency", "2", "--processes", "2")

    # Each trial asks the worker twice. Two calls are answered; then each process is stuck with one trial.
    reached = gate(models, 2, hanging=2)
    process = await shell.start("bench", str(problems), *options)
    await until(reached, process)
    killed, other = workers(shell)
    reached = gate(models, 0, hanging=1)
    os.kill(killed, signal.SIGKILL)
    await until(reached, process)  # its trial has gone on in a third, up to the call that was in progress
    assert models.server.requests[-1]["messages"] in [r["messages"] for r in models.server.requests[:-1]]
    assert other in workers(shell)

    process.kill()
    await process.wait()
    await jobs.until(lambda: not workers(shell))  # they end by themselves

    models.replies["worker"] = answer(RIGHT)
    code, out, err = await ended(
        await shell.start("bench", "--resume", "e", "--json")
    )  # in one process: where trials run is not part of an experiment
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["end"] == "done"
    statuses = check_ledger(shell, COUNT)
    assert statuses["passed"] == COUNT
    assert statuses["interrupted"] == sum(statuses.values()) - COUNT == 3
    assert not workers(shell)
    with Reader(shell.store) as reader:
        trials = reader.experiments.trials("e")
        assert {t.worker.calls + t.meta.calls for t in trials} == {3}
    # Of each interrupted run the call in progress is made again, and perhaps one whose answer was on its way.
    assert len(models.server.requests) <= 3 * COUNT + 2 * 3


async def test_a_cluster_has_processes_of_its_own(shell: Shell, models: Models) -> None:
    (shell.home / "one.json").write_text(json.dumps(DOUBLE.to_json()))
    bench = ("bench", "one.json", "--variant", "vanilla", "--processes", "2")
    on_ray = await shell(*bench, "--on", "ray")
    assert (on_ray.code, len(on_ray.err.splitlines())) == (2, 1)
    assert "--processes" in on_ray.err
