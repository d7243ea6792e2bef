"""Jobs over a real SSH server: links that break and freeze, files that come in part, hosts not in order."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.host_config import Host
from tests.support.jobs import TRAINER, WORKER, alive, pids, program, reaches, until
from tests.support.sshd import PROGRAM, SSHServer
from training.jobs import directory
from training.jobs.directory import JobError, JobSpec, JobStatus, ours
from training.jobs.host.gpus import LOCKS
from training.jobs.job import Job, open_job, submit
from training.jobs.remote import host_link, hosts, remote_job
from training.jobs.remote import link as links
from training.jobs.remote.errors import HostError, LinkError
from training.jobs.remote.hosts import check
from training.jobs.remote.link import Link
from training.jobs.watch import Watch

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="needs an SSH server: apt install openssh-server"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    server = SSHServer(tmp_path_factory.mktemp("ssh"))
    yield server
    server.clean()


@pytest.fixture(autouse=True)
def home(server: SSHServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The user's SSH configuration is the server's; and back to order what a test has put out of it."""
    monkeypatch.setenv("HOME", str(server.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv(LOCKS, str(server.folder / "locks"))
    monkeypatch.setattr(host_link, "BACK_OFF_S", (0.05,) * 6)
    yield
    server.authorise("user")
    server.know("host")
    server.to_connections(signal.SIGCONT)


@pytest.fixture
def host(server: SSHServer) -> Host:
    return Host(address="box", workdir=str(server.folder / "there"), environment=sys.executable)


@asynccontextmanager
async def submitted(spec: JobSpec, server: SSHServer, host: Host) -> AsyncIterator[Job]:
    job = await submit(spec, server.folder / "jobs", ("box", host))
    try:
        yield job
    finally:
        await job.close()


@asynccontextmanager
async def ended(server: SSHServer, host: Host) -> AsyncIterator[Job]:
    """A job that ended long ago, without its having run."""
    spec = program("pass")
    run_dir, there = server.folder / "jobs" / spec.id, server.folder / "there/jobs" / spec.id
    directory.create(run_dir, spec, list(spec.argv), "box")
    directory.create(there, spec, list(spec.argv), "box")
    os.utime(there / "job.json", (0, 0))
    job = open_job(run_dir, {"box": host})
    try:
        yield job
    finally:
        await job.close()


async def link_is(job: Job, *, up: bool) -> JobStatus:
    """The job's status once its link is as wanted."""
    async with asyncio.timeout(300):
        while True:
            status = await job.status()
            if (status.link is None) == up:
                return status
            await asyncio.sleep(0.02)


def listed(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def steps(run_dir: Path) -> list[int]:
    lines = (run_dir / "progress.jsonl").read_text().splitlines()
    return [line["step"] for text in lines if (line := json.loads(text))["kind"] == "step"]


async def test_a_job_there_is_as_one_here(server: SSHServer, host: Host) -> None:
    async with submitted(program(TRAINER, "5"), server, host) as job:
        status = await reaches(job, "done")
        assert (status.rc, status.link) == (0, None) and status.asked is not None
        assert (await job.log()).splitlines()[-1] == b"step 5" and steps(job.run_dir) == [1, 2, 3, 4, 5]
        assert directory.status(job.run_dir).state == "done"  # without asking there
        (checkpoint,) = await job.fetch()
        assert checkpoint.folder.parent.parent == job.run_dir and checkpoint.step == 5
        there = server.folder / "there/jobs" / job.run_dir.name
        assert (there / "checkpoints/step-000005/model.safetensors").read_bytes() == (
            checkpoint.folder / "model.safetensors"
        ).read_bytes()
        await job.remove()
        assert job.run_dir.name not in listed(there.parent) | listed(job.run_dir.parent)


async def test_our_own_code_runs_there_with_what_the_recipe_names(server: SSHServer, host: Host) -> None:
    data = server.folder / "rows"
    (data / "part").mkdir(parents=True)
    (data / "part" / "a.txt").write_text("a row")
    spec = JobSpec(
        "sft",
        "ours",
        ours("training.jobs.host", "status", directory.RUN_DIR),
        recipe=f'[data]\npath = "{data}"\n[model]\nbase = "hf:{data}"\nnote = "{data} it is"\n',
        sends=(data,),
    )
    async with submitted(spec, server, host) as job:
        await reaches(job, "done")
        assert json.loads(await job.log())[0]["state"] == "running"
        assert str(server.folder / "there/code") in directory.description(job.run_dir)["argv"][2]
        there = (server.folder / "there/jobs" / job.run_dir.name / "recipe.toml").read_text()
        path = there.split('"')[1]
        assert (server.folder / path / "part/a.txt").read_text() == "a row" and path != str(data)
        assert f'base = "hf:{path}"' in there and f'note = "{data} it is"' in there
    said: list[str] = []
    again = await submit(program("pass"), server.folder / "jobs", ("box", host), said.append)
    assert not [line for line in said if "sending" in line]  # it is all there
    await reaches(again, "done")
    await again.close()


async def test_a_broken_link_is_made_again_and_reading_goes_on(server: SSHServer, host: Host) -> None:
    async with submitted(program(TRAINER, "150"), server, host) as job:
        for _ in range(3):
            before = len(steps(job.run_dir)) if (job.run_dir / "progress.jsonl").exists() else 0
            async with asyncio.timeout(300):
                while not (job.run_dir / "log").exists() or len(steps(job.run_dir)) <= before:
                    status = await job.status()
                    if status.has_ended:
                        break
                    await asyncio.sleep(0.02)
            server.to_connections(signal.SIGKILL)
        status = await reaches(job, "done")
        assert status.link is None
        assert steps(job.run_dir) == list(range(1, 151))
        assert (await job.log()).decode().split() == [w for n in range(1, 151) for w in ("step", str(n))]


async def test_a_frozen_link_is_noticed_and_is_not_the_jobs_state(
    server: SSHServer, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert links.KEEPALIVE_S * (links.KEEPALIVE_COUNT + 1) <= 15
    monkeypatch.setattr(links, "KEEPALIVE_S", 0.3)
    monkeypatch.setattr(remote_job, "_ASK_S", 0.0)  # else nothing might be asked while it is frozen
    async with submitted(program(WORKER), server, host) as job:
        await reaches(job, "running")
        server.to_connections(signal.SIGSTOP)
        status = await link_is(job, up=False)
        assert status.state == "running" and "box" in str(status.link)
        assert directory.status(job.run_dir) == status  # whoever else looks
        await link_is(job, up=True)  # the server takes new connections
        await job.stop(grace=5)
        await reaches(job, "stopped")
        assert not alive(pids(job.run_dir))


async def test_a_server_that_is_away_is_waited_for(server: SSHServer, host: Host) -> None:
    async with submitted(program(WORKER), server, host) as job:
        await reaches(job, "running")
        server.to_connections(signal.SIGKILL)
        server.stop()
        try:
            await job.close()
            again = open_job(job.run_dir, {"box": host})  # as another process would
            status = await link_is(again, up=False)
            assert status.state == "running" and "is its SSH server running?" in str(status.link)
            with pytest.raises(LinkError, match="is its SSH server running"):
                await again.stop()
        finally:
            server.start()
        await link_is(again, up=True)
        await again.stop(grace=5)
        await reaches(again, "stopped")
        await again.resume()
        assert (await reaches(again, "running")).attempt == 2
        await again.stop(grace=5)
        await reaches(again, "stopped")
        await again.close()


async def test_a_supervisor_killed_there_leaves_a_job_that_can_be_stopped(
    server: SSHServer, host: Host
) -> None:
    async with submitted(program(WORKER), server, host) as job:
        status = await reaches(job, "running")
        assert status.pid is not None
        os.kill(status.pid, signal.SIGKILL)
        await reaches(job, "unsupervised")
        await job.stop(grace=5)
        await reaches(job, "stopped")
        assert not alive(pids(job.run_dir))


# -- what comes in part


def checkpoint_there(server: SSHServer, job: Job, step: int, size: int, *, damaged: bool = False) -> Path:
    folder = server.folder / "there/jobs" / job.run_dir.name / "checkpoints" / f"step-{step:06}"
    folder.mkdir(parents=True)
    weights = hashlib.sha512(str(step).encode()).digest() * (size // 64)
    (folder / "model.safetensors").write_bytes(weights)
    digest = hashlib.sha256(b"other" if damaged else weights).hexdigest()
    written = {"step": step, "files": {"model.safetensors": digest}}
    (folder / "checkpoint.json").write_text(json.dumps(written))
    return folder


async def test_checkpoints_come_newest_first_whole_and_go_on_half_way(server: SSHServer, host: Host) -> None:
    async with ended(server, host) as job:
        for step in (8, 9, 10):
            whole = checkpoint_there(server, job, step, 1 << 20)
        (whole.parent / ".step-000011.tmp").mkdir()
        half = (whole / "model.safetensors").read_bytes()[: 1 << 19]
        begun = {}
        for step, beginning in ((10, half), (9, b"\0" * (1 << 19)), (8, b"\0" * (2 << 20))):
            part = job.run_dir / "checkpoints" / f".step-{step:06}.part"
            part.mkdir(parents=True)
            (part / "model.safetensors").write_bytes(beginning)
            begun[step] = (part / "model.safetensors").stat().st_ino
        said: list[str] = []
        found = await job.fetch(None, said.append)
        assert [c.step for c in found] == [10, 9, 8] == [int(line.split("-")[1][:6]) for line in said]
        for checkpoint in found:
            there = whole.parent / checkpoint.folder.name / "model.safetensors"
            assert (checkpoint.folder / "model.safetensors").read_bytes() == there.read_bytes()
        # What was right of it was kept, what was not was fetched again.
        assert (found[0].folder / "model.safetensors").stat().st_ino == begun[10]
        assert [c.step for c in directory.checkpoints(job.run_dir)] == [10, 9, 8]
        assert await job.fetch([9], said.append) == [found[1]] and len(said) == 3


async def test_a_fetch_outlives_a_broken_link(server: SSHServer, host: Host) -> None:
    async with ended(server, host) as job:
        checkpoint_there(server, job, 1, 1 << 20)
        said: list[str] = []

        def report(line: str) -> None:
            if not said:
                server.to_connections(signal.SIGKILL)
            said.append(line)

        assert [c.step for c in await job.fetch(None, report)] == [1]
        assert any("trying again" in line for line in said)


async def test_a_damaged_checkpoint_is_refused(server: SSHServer, host: Host) -> None:
    async with ended(server, host) as job:
        checkpoint_there(server, job, 3, 1 << 16, damaged=True)
        with pytest.raises(HostError, match=r"damaged on box: model\.safetensors is not what"):
            await job.fetch()
        assert directory.checkpoints(job.run_dir) == []


async def test_the_store_of_a_job_comes_while_it_is_written(server: SSHServer, host: Host) -> None:
    async with ended(server, host) as job:
        there = server.folder / "there/jobs" / job.run_dir.name / "store.db"
        with closing(sqlite3.connect(there)) as writer:
            writer.execute("PRAGMA journal_mode = wal")
            writer.execute("CREATE TABLE runs(id)")
            for count in (1, 2):
                writer.execute("INSERT INTO runs VALUES (?)", (count,))
                writer.commit()
                await job.fetch()
                with closing(sqlite3.connect(job.run_dir / "store.db")) as here:
                    assert here.execute("SELECT count(*) FROM runs").fetchone() == (count,)


async def test_what_is_sent_goes_on_half_way(server: SSHServer, host: Host) -> None:
    weights = server.folder / "model.bin"
    weights.write_bytes(os.urandom(1 << 20) * 2)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    blobs = server.folder / "there/blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    part = blobs / f"{digest}.part"
    part.write_bytes(weights.read_bytes()[: 1 << 20])
    begun = part.stat().st_ino
    spec = program("import sys; print(open(sys.argv[1], 'rb').read(3))", str(weights), sends=(weights,))
    async with submitted(spec, server, host) as job:
        await reaches(job, "done")
        assert (blobs / digest).stat().st_ino == begun
        assert (await job.log()).decode().strip() == str(weights.read_bytes()[:3])


# -- hosts that are not right


async def refused(server: SSHServer, host: Host, kind: type[Exception] = HostError) -> str:
    """What is said of a host that a job cannot go to. Nothing is left of the job."""
    there, here = server.folder / "there/jobs", server.folder / "jobs"
    before = listed(there), listed(here)
    with pytest.raises(kind) as caught:
        await submit(program("pass"), here, ("box", host))
    assert (listed(there), listed(here)) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_wrong_key_is_said(server: SSHServer, host: Host) -> None:
    server.new_key("other")
    server.authorise("other")
    assert "does not accept your key" in await refused(server, host)


async def test_a_changed_host_key_is_told_from_an_unknown_one(server: SSHServer, host: Host) -> None:
    server.know("user")  # a key, and not the host's
    said = await refused(server, host)
    assert "shows another host key than before" in said
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in said
    (server.home / ".ssh/known_hosts").write_text("")
    assert "is not known: log in once with ssh" in await refused(server, host)


async def test_a_host_that_cannot_be_reached_is_said(server: SSHServer, host: Host) -> None:
    port = host.model_copy(update={"port": 1})
    assert "nothing answers at the SSH port" in await refused(server, port, LinkError)
    name = host.model_copy(update={"address": "no-such-host.invalid"})
    assert "correct hosts.box.address" in await refused(server, name)


async def test_a_host_without_a_python_for_us_is_said(server: SSHServer, host: Host) -> None:
    none = host.model_copy(update={"environment": None, "python": "no-such-python"})
    assert "no Python that runs as 'no-such-python': set hosts.box.python" in await refused(server, none)
    old = server.folder / "python-old"
    old.write_text("#!/bin/sh\necho 3 6\n")
    old.chmod(0o755)
    said = await refused(server, host.model_copy(update={"environment": str(old)}))
    assert "is Python 3.6, and 3.11 or newer is needed: set hosts.box.environment" in said


@pytest.mark.parametrize("own", ["Goodbye!", "[[1", "\\377 bye"])
async def test_a_host_that_prints_something_of_its_own_is_said(
    server: SSHServer, host: Host, own: str
) -> None:
    chatty = server.folder / "chatty"
    chatty.write_text(
        f'#!/bin/sh\n"{sys.executable}" "$@"\ncase "$*" in *facts*) printf \'\\n{own}\\n\';; esac\n'
    )
    chatty.chmod(0o755)
    said = await refused(server, host.model_copy(update={"environment": str(chatty)}))
    assert "box prints something of its own where the answer should be: " in said


@pytest.mark.parametrize(
    ("wheel", "problem"),
    [
        ("torch-2.0-cp311-cp311-manylinux_2_99_x86_64.whl", "needs glibc 2.99, and box has 2."),
        ("torch-2.0-cp311-cp311-manylinux_2_17_sparc.whl", "is not for "),
        (None, "there are no wheels in"),
    ],
)
async def test_wheels_that_do_not_fit_the_host_are_said(
    server: SSHServer, host: Host, tmp_path: Path, wheel: str | None, problem: str
) -> None:
    if wheel:
        (tmp_path / wheel).touch()
    made = host.model_copy(update={"environment": None, "python": sys.executable, "wheels": tmp_path})
    assert problem in await refused(server, made)


async def test_gpus_that_are_not_there_are_said(server: SSHServer, host: Host) -> None:
    link = Link("box", host)
    report = await check(link, (5,))
    await link.close()
    assert any("has no GPU 5" in problem for problem in report.problems)
    assert abs(report.clock_s) < 30 and report.disk_free > 0 and report.machine == os.uname().machine


async def test_a_tool_that_refuses_is_quoted(server: SSHServer, host: Host) -> None:
    async with ended(server, host) as job:
        with pytest.raises(JobError, match="the job is lost: there is nothing to stop"):
            await job.stop()


async def test_what_a_job_there_writes_comes_while_it_is_watched(server: SSHServer, host: Host) -> None:
    job = await submit(program(TRAINER, "20"), server.folder / "jobs", ("box", host))
    await job.close()
    watch = Watch({"box": host})
    for _ in range(2):  # whoever shows them asks again and again
        watch.look_at(directory.all_jobs(server.folder / "jobs"))
    await until(lambda: directory.status(job.run_dir).state == "done")
    assert steps(job.run_dir) == list(range(1, 21))
    await watch.aclose()


def wheel(folder: Path) -> None:
    """A package that says it was installed."""
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.5\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / "tiny-1.5-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", "print('tiny is here')")
        archive.writestr("tiny-1.5.dist-info/METADATA", about)
        archive.writestr("tiny-1.5.dist-info/WHEEL", kind)
        archive.writestr("tiny-1.5.dist-info/RECORD", "")


async def test_an_environment_is_made_once_from_wheels(
    server: SSHServer, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"requirements": ["tiny"], "constraints": ["tiny==1.5"]}
    monkeypatch.setattr(hosts, "requirements", lambda extra: wanted)
    wheel(tmp_path)
    made = host.model_copy(update={"environment": None, "python": sys.executable, "wheels": tmp_path})
    spec = JobSpec("sft", "tiny", (directory.PYTHON, "-c", "import tiny, sys; print(sys.prefix)"))
    async with submitted(spec, server, made) as job:
        await reaches(job, "done")
        first = (await job.log()).decode().split("\n")
        assert first[0] == "tiny is here" and "/there/environments/" in first[1]
    ready = Path(first[1]).parent / "ready"
    before = ready.stat().st_mtime_ns
    async with submitted(replace(spec, id="again"), server, made) as job:
        await reaches(job, "done")
        assert (await job.log()).decode().split("\n") == first and ready.stat().st_mtime_ns == before


async def test_a_missing_package_is_said(
    server: SSHServer, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    assert "pip install 'flowreasoner[remote]'" in await refused(server, host)
