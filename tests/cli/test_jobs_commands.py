"""`flowreasoner jobs`, `train`, `serve-model` and `hosts`, with real jobs."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import load
from tests.cli.conftest import Shell
from tests.support.jobs import TRAINER, WORKER, program, reaches
from tests.support.leftovers import Guard
from tests.support.ports import unused_port
from tests.support.sshd import PROGRAM, SSHServer
from training.jobs import directory
from training.jobs.host.gpus import LOCKS
from training.jobs.job import submit
from training.jobs.serving import serving_spec


@pytest.fixture(autouse=True)
def leave_nothing(shell: Shell) -> Iterator[None]:
    guard = Guard(shell.home)
    shell.env[LOCKS] = str(shell.home / "locks")
    yield
    guard.clean()


@pytest.fixture
def jobs(shell: Shell) -> Path:
    return directory.jobs_folder(shell.store)


async def test_jobs_are_listed_shown_and_removed(shell: Shell, jobs: Path) -> None:
    none = await shell("jobs")
    assert none.code == 0 and "flowreasoner train" in none.out
    assert json.loads((await shell("jobs", "ls", "--json")).out) == []
    job = await submit(program(TRAINER, "3", name="three \x1b[31m"), jobs)
    await reaches(job, "done")
    listed = (await shell("jobs")).out.splitlines()
    assert listed[0].split() == ["job", "name", "kind", "host", "submitted", "step", "state"]
    assert "\x1b" not in listed[1]
    assert listed[1].split()[:1] + listed[1].split()[-2:] == [job.run_dir.name, "3", "done"]
    shown = await shell("jobs", "show", job.run_dir.name[:20])
    assert "step 3: loss 0.3333" in shown.out and "checkpoints  3" in shown.out
    data = json.loads((await shell("jobs", "show", "last", "--json")).out)
    assert data["status"]["state"] == "done" and data["checkpoints"] == [3] and data["id"] == job.run_dir.name
    fetched = await shell("jobs", "fetch", "last", "--step", "3", "--json")
    assert json.loads(fetched.out) == [str(job.run_dir / "checkpoints/step-000003")]
    ended = await shell("jobs", "resume", "last")
    assert (ended.code, ended.out) == (2, "") and "is done: there is nothing to resume" in ended.err
    assert (await shell("jobs", "rm", "last")).code == 0
    ended = await shell("jobs", "show", "last")
    assert ended.code == 2 and "there are no jobs yet" in ended.err


async def test_a_job_is_stopped_and_resumed(shell: Shell, jobs: Path) -> None:
    job = await submit(program(WORKER, name="worker"), jobs)
    await reaches(job, "running")
    stopped = await shell("jobs", "stop", "worker", "--grace", "5", "--json")
    assert stopped.code == 0 and json.loads(stopped.out)["status"]["state"] == "stopped"
    assert (await job.status()).state == "stopped"  # the command has waited for it
    resumed = await shell("jobs", "resume", "worker")
    assert resumed.out.startswith(f"attempt 2 of job {job.run_dir.name}: ")
    (job.run_dir / "go").touch()
    await reaches(job, "done")


async def test_a_log_is_followed_to_the_end_and_is_plain_text(shell: Shell, jobs: Path) -> None:
    noisy = r"import sys; print('\x1b[31mred\x1b[0m ü'); print('half', end=''); sys.exit(3)"
    job = await submit(program(noisy), jobs)
    ended = await shell("jobs", "logs", "last", "--follow")
    assert (ended.code, ended.out) == (1, "red ü\nhalf\n")
    await reaches(job, "failed")
    rest = await shell("jobs", "logs", "last", "--offset", str(len("\x1b[31mred\x1b[0m ü\n".encode())))
    assert (rest.code, rest.out) == (0, "half\n")


async def test_who_stops_following_does_not_stop_the_job(shell: Shell, jobs: Path) -> None:
    job = await submit(program(WORKER), jobs)
    following = await shell.start("jobs", "logs", "last", "--follow")
    assert following.stdout is not None
    assert (await following.stdout.readline()).startswith(b"pid ")
    following.send_signal(signal.SIGINT)
    assert await following.wait() == 130
    assert (await job.status()).state == "running"
    await job.stop(grace=5)
    await reaches(job, "stopped")


async def test_what_cannot_be_trained_is_said_before_a_job_is_made(shell: Shell, jobs: Path) -> None:
    empty = shell.home / "empty"
    empty.mkdir()
    for args, said in (
        (["sft-embeded"], "did you mean 'sft-embedded'?"),
        (["sft-embedded"], "name it with --data DIR"),
        (["sft-embedded", "--data", "nowhere"], "nowhere is no folder"),
        (["sft-embedded", "--set", "epochs"], "write KEY=VALUE"),
        (["sft-embedded", "--set", "epoch=1", "--data", str(empty)], "did you mean"),
        (["sft-embedded", "--set", "epochs=many"], "epochs"),
        (["sft-embedded", "--on", "moon"], "add [hosts.moon]"),
        (["sft-embedded", "--data", str(empty), "--set", "model.base=gpt"], "no model with weights"),
        (["sft-7b", "--data", str(empty), "--gpus", "0,0"], "as in 0,1"),
        (["sft-7b", "--data", str(empty), "--gpus", "0", "--set", "hardware.processes=2"], "name more with"),
    ):
        ended = await shell("train", *args)
        assert ended.code == 2 and said in ended.err, (args, ended)
        assert ended.err.count("\n") == 1 and ended.out == ""
    assert not made(jobs)


async def test_a_training_job_that_fails_says_why(shell: Shell, jobs: Path) -> None:
    empty = shell.home / "empty"
    empty.mkdir()
    ended = await shell("train", "sft-embedded", "--data", str(empty), "--follow", "--name", "nothing")
    assert ended.code == 1
    assert "failed" in ended.err and str(empty) in ended.out + (await shell("jobs", "logs", "nothing")).out
    (run_dir,) = directory.all_jobs(jobs)
    assert f"flowreasoner jobs logs {run_dir.name}" in ended.err
    assert (ended.out + ended.err).count(str(empty)) == 1, "it is said once"


STAND_IN = """
import http.server, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Answers).serve_forever()
"""


@pytest.fixture
def server_program(tmp_path: Path) -> Path:
    """A folder with a `vllm` that only answers: what is tested is what surrounds it."""
    package = tmp_path / "packages/vllm/entrypoints/cli"
    package.mkdir(parents=True)
    (package / "main.py").write_text(STAND_IN)
    return tmp_path / "packages"


def made(jobs: Path) -> bool:
    return jobs.exists()


async def answers(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/models HTTP/1.0\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


async def test_a_model_is_served_as_an_endpoint(shell: Shell, jobs: Path, server_program: Path) -> None:
    model, port = shell.home / "model", unused_port()
    model.mkdir()
    args = ("serve-model", str(model), "--name", "mine", "--port", str(port))
    ended = await shell(*args)
    assert ended.code == 2 and "pip install 'flowreasoner[vllm]'" in ended.err and not made(jobs)
    shell.env["PYTHONPATH"] = str(server_program)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        ended = await shell(*args)
        assert ended.code == 2 and "name another with --port" in ended.err and not made(jobs)
    ended = await shell(*args, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["model"] == "mine/mine"
    assert b"200" in await answers(port)
    assert "mine/mine" in (await shell("models")).out
    ended = await shell(*args)
    assert ended.code == 2 and "serves mine already" in ended.err
    assert (await shell("jobs", "stop", "mine", "--grace", "1")).code == 0
    ended = await shell("serve-model", str(model), "--name", "mine", "--port", str(port + 1))
    assert ended.code == 2 and "choose another name with --name" in ended.err


@pytest.mark.skipif(not PROGRAM.exists(), reason="needs an SSH server: openssh-server")
async def test_a_host_is_checked_and_serves_through_a_forwarded_port(
    shell: Shell, jobs: Path, server_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SSHServer(tmp_path / "ssh")
    try:
        python = tmp_path / "ssh/python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={server_program} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        shell.env["HOME"] = str(server.home)
        config = Path((await shell("config", "path")).out.strip())
        config.parent.mkdir(parents=True)
        there = tmp_path / "ssh/there"
        text = f'[hosts.box]\naddress = "box"\nworkdir = "{there}"\nenvironment = "{python}"\n'
        await asyncio.to_thread(config.write_text, text)
        assert json.loads((await shell("hosts", "--json")).out)["box"]["workdir"] == str(there)
        checked = await shell("hosts", "box", "--json")
        assert checked.code == 0, checked.err
        assert json.loads(checked.out)["problems"] == []
        model, port = shell.home / "model", unused_port()
        model.mkdir()
        (model / "config.json").write_text("{}")
        # Its job, first, as an earlier command left it: here, both ends of a port would be the same port.
        monkeypatch.setenv("HOME", str(server.home))
        monkeypatch.setenv(LOCKS, shell.env[LOCKS])
        host = load(config).hosts["box"]
        spec = serving_spec(str(model), "far", port, (), host=host, jobs=jobs)
        job = await submit(spec, jobs, ("box", host))
        await job.close()
        other = unused_port()
        serving = await shell.start(
            "serve-model", str(model), "--name", "far", "--on", "box", "--port", str(other)
        )
        assert serving.stdout is not None
        assert (await serving.stdout.readline()).startswith(b"far/far answers at")
        assert b"200" in await answers(other)
        serving.send_signal(signal.SIGINT)
        assert await serving.wait() == 130
        stopped = await shell("jobs", "stop", "far", "--grace", "1")
        assert stopped.code == 0, stopped.err
        server.stop()
        ended = await shell("hosts", "box")
        assert ended.code == 3 and "is its SSH server running?" in ended.err
        server.start()
    finally:
        server.clean()
