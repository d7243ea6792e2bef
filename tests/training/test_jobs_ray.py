"""Jobs on a real Ray cluster: workers that are killed, a link that breaks, clusters that are not in order."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Settings
from engine.host_config import Host
from engine.models.checkpoints import content_of
from tests.support import training as support
from tests.support.jobs import TRAINER, WORKER, alive, pids, program, reaches, until
from tests.support.missing import needs
from tests.support.ray_cluster import RayCluster, Tunnel
from training.jobs import directory
from training.jobs.directory import CODE, PYTHON, RUN_DIR, JobError, JobSpec
from training.jobs.job import Job, submit
from training.jobs.ray import access
from training.jobs.ray import link as link_module
from training.jobs.ray.cluster import check_cluster
from training.jobs.ray.link import RayLink
from training.jobs.remote.errors import HostError
from training.trainers.run_directory import RunDirectory
from tui.headless.train import dry_run
from tui.service.jobs.launch import Launch

needs("ray", "trl")

LONG_S = 400  # Ray starts several processes for a job
long = pytest.mark.skipif(not os.environ.get("FLOWREASONER_LONG"), reason="minutes: FLOWREASONER_LONG=1")
# The trainer, which waits at its second checkpoint for a file `go`, and kills the worker that watches it.
DEADLY = """
import os, pathlib, signal, sys, time
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import flowreasoner
flowreasoner.bind()
import torch
from training.trainers.progress import Progress
from training.trainers.run_directory import RunDirectory
from training.trainers.train import train
from tui.headless.train import dry_run
from tui.service.jobs.launch import Launch
torch.set_num_threads(1)
folder = pathlib.Path(sys.argv[2])
write = Progress.write
def written(self, kind, **values):
    write(self, kind, **values)
    if kind == "checkpoint" and values["step"] == 2 and not (folder / "killed").exists():
        while not (folder / "go").exists():
            time.sleep(0.02)
        (folder / "killed").touch()
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
Progress.write = written
train(RunDirectory.open(folder))
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that shares two processors with the other tests is slow, and not away."""
    monkeypatch.setattr(access, "REACH_S", 120.0)
    monkeypatch.setattr(link_module, "_CONNECT_S", 150.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    yield cluster
    cluster.clean()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def lesson(folder: Path) -> Path:
    """A run directory of four steps with a checkpoint after each, trained here without interruption."""
    model, rows = support.small_model(folder / "model"), support.sft_set(folder / "rows")
    changes = ("max_steps=4", "checkpoints.every=1", "checkpoints.keep=9", "optimizer.learning_rate=1e-3")
    here = support.run_directory(folder / "here", "sft-embedded", model, rows, *changes)
    support.train(RunDirectory.open(here))
    return here


@asynccontextmanager
async def submitted(
    spec: JobSpec, folder: Path, cluster: RayCluster, **changes: object
) -> AsyncIterator[Job]:
    job = await submit(spec, folder / "jobs", ("mine", cluster.host(**changes)))
    try:
        yield job
    finally:
        await job.close()


@long
@pytest.mark.parametrize("ranks", [1, 2])
async def test_training_outlives_a_link_that_is_down_and_goes_on_from_its_checkpoint_when_a_worker_is_killed(
    cluster: RayCluster, folder: Path, lesson: Path, ranks: int
) -> None:
    """A job takes a dozen starts of processes, so one has to do for both."""
    spec = JobSpec(
        "sft",
        "deadly",
        (PYTHON, "-P", "-c", DEADLY, CODE, RUN_DIR),
        recipe=(lesson / "recipe.toml").read_text().replace("processes = 1", f"processes = {ranks}"),
        sends=(folder / "model", folder / "rows"),
        ranks=ranks,
    )
    there = cluster.folder / "there/jobs" / spec.id
    async with Tunnel(cluster.client) as client, Tunnel(cluster.dashboard) as dashboard:
        ways = {"address": f"ray://127.0.0.1:{client.port}", "dashboard": dashboard.port}
        async with submitted(spec, folder, cluster, **ways) as job:
            await reaches(job, "running")
            await until((there / "checkpoints" / "step-000002").exists)  # where it waits for `go`
            await client.cut()
            await dashboard.cut()
            status = await link_says(job, "nothing answers at")
            assert status.state == "running"
            assert directory.status(job.run_dir) == status  # whoever else looks
            await client.mend()
            await dashboard.mend()
            assert (await link_says(job, None)).state == "running"

            (there / "go").touch()
            status = await reaches(job, "done")
            assert (status.rc, status.error, status.link) == (0, None, None)
            (lost,) = [x for x in support.progress(job.run_dir, "alert") if x["name"] == "worker_lost"]
            assert "continues from step-000002" in lost["text"]
            _check_numbers(job.run_dir, lesson, 1e-6 if ranks == 1 else 1e-4)
            checkpoints = await job.fetch([4])
            assert [c.folder for c in checkpoints] == [job.run_dir / "checkpoints" / "step-000004"]
            if ranks == 1:
                assert content_of(checkpoints[0].folder) == content_of(lesson / "checkpoints" / "step-000004")
            recipe = (there / "recipe.toml").read_text()
            assert str(cluster.folder / "there/data") in recipe  # it read what was sent
            await job.remove()
            assert not job.run_dir.exists() and not there.exists()


def _check_numbers(run_dir: Path, lesson: Path, within: float) -> None:
    """Those of a training that nothing happened to."""
    assert [line["step"] for line in support.progress(run_dir, "step")] == [1, 2, 3, 4]
    for name in ("loss", "grad_norm"):
        expected = pytest.approx(support.values(lesson, name), abs=within)
        assert support.values(run_dir, name) == expected, name


async def test_a_cluster_that_cannot_take_the_job_is_said(cluster: RayCluster, folder: Path) -> None:
    link = RayLink("mine", cluster.host())
    try:
        report = await check_cluster(link, 2)
        assert report.problems == () and report.gpus == {}
        (problem,) = (await check_cluster(link, 3)).problems
        assert "mine has 2 CPUs on 1 node, and the recipe has hardware.processes=3" in problem
        (problem,) = (await check_cluster(link, 1, on_gpus=True)).problems
        assert "mine has 0 GPUs" in problem
    finally:
        await link.close()
    for spec, why in (
        (replace(program("pass"), kind="serve"), "serve models on this machine"),
        (replace(program("pass"), gpus=(0,)), "leave --gpus out"),
    ):
        with pytest.raises(JobError, match=why):
            await submit(spec, folder / "jobs", ("mine", cluster.host()))
    (folder / "token").write_text("f" * 64)
    with pytest.raises(HostError, match="does not accept the token"):
        await submit(program("pass"), folder / "jobs", ("mine", cluster.host(token=folder / "token")))


def test_a_dry_run_says_what_the_cluster_would_run(
    folder: Path, lesson: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(address="ray://127.0.0.1:1")  # which is not asked
    settings = Settings(store=folder / "store.db", endpoints={}, hosts={"mine": host})
    two = (("hardware.processes", "2"), ("batch.rows_at_once", "2"))
    launch = Launch(recipe=str(lesson / "recipe.toml"), changes=two, host="mine")
    assert dry_run(settings, launch, as_json=False) == 0
    said = capsys.readouterr().out
    assert "CODE/flowreasoner.py training.jobs.ray.ranks RUN_DIR PYTHON -P CODE/flowreasoner.py" in said
    assert "a job at ray://127.0.0.1:1; 2 × a CPU" in said


@long
async def test_jobs_take_turns_and_are_resumed(cluster: RayCluster, folder: Path) -> None:
    async with submitted(replace(program(WORKER), ranks=2), folder, cluster) as first:
        await reaches(first, "running")
        await until_started(first)
        async with submitted(program(TRAINER, "5"), folder, cluster) as second:
            status = await reaches(second, "queued")
            assert status.waits_for == "1 CPU of the cluster, which has 0 free"
            await second.stop()
            await reaches(second, "stopped")
            await first.stop()
            await reaches(first, "stopped")
            await until(lambda: not alive(pids(first.run_dir)))
            await second.resume()
            assert (await reaches(second, "done")).attempt == 2
            lines = (second.run_dir / "progress.jsonl").read_text().splitlines()
            assert {json.loads(line)["attempt"] for line in lines} == {2}


async def until_started(job: Job) -> None:
    """Until the job has told of its processes."""
    async with asyncio.timeout(LONG_S):
        while not pids(job.run_dir):
            await job.status()
            await asyncio.sleep(0.1)


async def link_says(job: Job, why: str | None) -> directory.JobStatus:
    """The job's status once its link is down for this reason, or is up (None)."""
    async with asyncio.timeout(LONG_S):
        while True:
            status = await job.status()
            if status.link == why or (why is not None and why in str(status.link)):
                return status
            await asyncio.sleep(0.1)
