"""`bench --on ray`: a real Ray cluster on this machine, whose workers and whose driver are killed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Models, Shell
from tests.cli.test_bench import check_ledger, ended, until
from tests.support.jobs import until as eventually
from tests.support.openai_server import Reply, answer
from tests.support.runs import DOUBLE, RIGHT
from tests.support.strangers import PYTHONS, script, strangers

COUNT = 6
DEADLY = """
import os, signal
from engine.variants import Result, Variant

async def solve(context):
    if context.problem.id.startswith("p/0"):
        os.kill(os.getpid(), signal.SIGKILL)
    return Result(None, None, "lived", None)

VARIANT = Variant(solve)
"""
KEY = "sk-kept-out-of-tasks-and-logs"
with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'flowreasoner[ray]'"
)
long = pytest.mark.skipif(
    not os.environ.get("FLOWREASONER_LONG"), reason="the start of another cluster: FLOWREASONER_LONG=1"
)


@pytest.fixture
def cluster(shell: Shell) -> Iterator[Path]:
    """A folder for a cluster of this test's own, which ends with its driver."""
    # Sockets in it: the test's own folder has too long a name.
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    shell.env |= {"RAY_TMPDIR": str(folder), "FLOWREASONER_ENDPOINTS__LOCAL__API_KEY": KEY}
    yield folder
    for pid in processes(folder):  # also the driver, where a test failed
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def problems(shell: Shell) -> Path:
    path = shell.home / "doubles.jsonl"
    one = DOUBLE.to_json()
    path.write_text("\n".join(json.dumps(one | {"id": f'p/{n} "],["'}) for n in range(COUNT)))
    return path


def processes(cluster: Path, what: bytes = b"") -> list[int]:
    """The processes of this cluster whose command line has `what` in it."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            is_one = folder.name.isdecimal() and what in (folder / "cmdline").read_bytes()
            if is_one and f"RAY_TMPDIR={cluster}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def workers(cluster: Path) -> list[int]:
    """Those that carry trials out."""
    return processes(cluster, b"ray::TrialWorker")


def holding(cluster: Path, text: str) -> list[Path]:
    """The files of the cluster, logs among them, that have the text in them."""
    return [f for f in cluster.rglob("*") if f.is_file() and text.encode() in f.read_bytes()]


class Gate:
    """The worker model answers so many calls at once, and the others once the gate is open; it is `reached`
    when so many are waiting there.
    """

    def __init__(self, models: Models, free: int, waiting: int = 1) -> None:
        self._free, self._waiting = free, waiting
        self.reached, self._open = asyncio.Event(), asyncio.Event()
        models.replies["worker"] = self._reply  # type: ignore[assignment]

    def open(self) -> None:
        self._open.set()

    async def _reply(self, _: dict[str, Any]) -> Reply:
        self._free -= 1
        if self._free < 0:
            if self._free <= -self._waiting:
                self.reached.set()
            await self._open.wait()
        return answer(RIGHT)


async def start(shell: Shell, *args: str) -> asyncio.subprocess.Process:
    return await shell.start("bench", *args, "--on", "ray", "--concurrency", "2", "--json")


@with_ray
async def test_a_killed_worker_costs_its_trials_an_attempt_and_nothing_else(
    shell: Shell, models: Models, problems: Path, cluster: Path
) -> None:
    """And in a folder full of strangers no code of theirs runs (see `test_started_anywhere`, which would need
    another cluster for that: ten seconds of CPU time).
    """
    among = strangers(shell.home / "strangers")
    command = [*script(shell.home, PYTHONS[1]), "bench", str(problems), "--on", "ray", "--concurrency", "2"]
    gate = Gate(models, 3)
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--name", "e", "--executions", "1", "--variant", "vanilla", "--json"),
        env=shell.env | among.environment,
        cwd=among.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await until(gate.reached, process)
    (victim, *_) = workers(cluster)
    os.kill(victim, signal.SIGKILL)
    gate.open()
    code, out, err = await ended(process)
    assert code == 0, err
    assert among.ran == []
    statuses = check_ledger(shell, COUNT)
    assert statuses["passed"] == COUNT
    assert sum(statuses.values()) == COUNT + statuses["interrupted"]
    *trials, summary = [json.loads(line) for line in out.splitlines()]  # and nothing of Ray's among it
    assert (len(trials), summary["end"], summary["done"]) == (COUNT, "done", COUNT)
    sent = len(models.server.requests)
    assert COUNT <= sent <= COUNT + 2
    assert all(h["authorization"] == f"Bearer {KEY}" for h in models.server.headers)
    assert not holding(cluster, KEY)
    await eventually(lambda: not workers(cluster))  # Ray may be ending the last one still
    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0
    assert len(models.server.requests) == sent


@with_ray
@long
async def test_a_killed_driver_s_experiment_goes_on_without_the_cluster(
    shell: Shell, models: Models, problems: Path, cluster: Path
) -> None:
    gate = Gate(models, 2)
    process = await start(
        shell,
        *(str(problems), "--name", "e", "--executions", "1", "--split", "aflow-1:4"),
        *("--variant", "metaflow,operators=paper", "--variant", "vanilla"),
    )
    await until(gate.reached, process)
    process.kill()
    await process.wait()
    gate.open()
    # Where trials run is no part of the experiment: it goes on here.
    code, _, err = await ended(await shell.start("bench", "--resume", "e", "--json"))
    assert code == 0, err
    tested = COUNT - 2  # the split's val part is a fifth, rounded up
    statuses = check_ledger(shell, 2 * tested)
    assert statuses["passed"] == 2 * tested
    assert statuses["answered"] == 1  # the search, once
    assert len([r for r in models.server.requests if r["model"] == "meta"]) == 1
    with sqlite3.connect(shell.store) as db:
        recorders = db.execute("SELECT DISTINCT owner_pid FROM runs").fetchall()
    assert len(recorders) == 2  # each command recorded what it carried out, and no worker did


@with_ray
@long
async def test_a_trial_that_takes_its_workers_along_does_not_take_the_experiment(
    shell: Shell, models: Models, problems: Path, cluster: Path
) -> None:
    (shell.home / "deadly.py").write_text(DEADLY)
    options = ("--name", "e", "--executions", "1", "--limit", "3", "--variant", "deadly.py")
    code, out, err = await ended(await start(shell, str(problems), *options))
    assert code == 3, err
    *trials, summary = [json.loads(line) for line in out.splitlines()]
    by_status = sorted((t["status"], t["problem_id"][:3]) for t in trials)
    # "infra" where it was gone before anything of the run had come.
    assert by_status[:2] == [("answered", "p/1"), ("answered", "p/2")]
    assert by_status[2] in [("interrupted", "p/0"), ("infra", "p/0")]
    assert (summary["end"], summary["done"]) == ("incomplete", 2)
    with sqlite3.connect(shell.store) as db:
        rows = db.execute("SELECT status, error FROM runs WHERE status != 'answered'").fetchall()
    # Whatever else was in a worker that died was done again elsewhere.
    assert {status for status, _ in rows} <= {"interrupted"}
    assert all("worker process" in error for _, error in rows)
    await eventually(lambda: not workers(cluster))


@with_ray
async def test_a_cluster_that_is_not_there_is_one_sentence(
    shell: Shell, models: Models, problems: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        done = await shell("bench", str(problems), "--name", "e", "--variant", "vanilla", "--on", address)
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert f"{address} cannot be reached" in done.err
    assert "no experiments" in (await shell("experiments")).out.lower()


async def test_without_ray_it_says_what_to_install(shell: Shell, models: Models, problems: Path) -> None:
    hidden = shell.home / "hidden" / "ray"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('no ray here')")
    shell.env["PYTHONPATH"] = str(hidden.parent)
    done = await shell("bench", str(problems), "--variant", "vanilla", "--on", "ray")
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "pip install 'flowreasoner[ray]'" in done.err


@pytest.mark.parametrize(
    "where", ["", "RAY", "ray://", "ray://host", "ray://u@h:1", "http://h:1", "ray://h:x"]
)
async def test_a_place_that_is_none_is_refused(shell: Shell, problems: Path, where: str) -> None:
    done = await shell("bench", str(problems), "--variant", "vanilla", "--on", where)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "ray://HOST:PORT" in done.err
