"""A job on a Ray cluster. Its directory is on the head node, or in a folder that all nodes share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.jobs.directory import RUN_DIR, JobError, JobSpec, JobStatus, Report, description, ours
from training.jobs.ray.link import RayLink, entry_point
from training.jobs.ray.ranks import counted
from training.jobs.remote.errors import HostError
from training.jobs.remote.hosts import PROOF, HostReport, check
from training.jobs.remote.remote_job import RemoteJob, place

if TYPE_CHECKING:
    from engine.host_config import Host

# Ray's words for a job that has ended, and ours.
_ENDS = {"FAILED": "failed", "STOPPED": "stopped"}


class RayJob(RemoteJob[RayLink]):
    """A job that a cluster carries out (`job.Job`).

    Its state is that of its directory, as everywhere; Ray's own is for what the directory cannot say: a job
    that Ray has not started yet, or whose supervisor Ray has ended.
    """

    def __init__(self, run_dir: Path, name: str, host: Host) -> None:
        super().__init__(run_dir, RayLink(name, host))

    async def stop(self, grace: float | None = None) -> None:
        """As `Job.stop`. Raises HostError, and JobError where the job has ended."""
        await super().stop(grace)
        info, _ = await self.link.ask("info", self._submission())
        if info is not None and info["status"] == "PENDING":  # its supervisor may never start
            await self.link.ask("cancel", self._submission())

    async def _begin(self) -> None:
        tool = await self.link.tool()
        entry = entry_point(self.link.own_python, tool, self.there)
        await self.link.ask("submit", entry, self._submission(), description(self.run_dir)["grace_s"])

    async def _ask(self) -> JobStatus:
        status = await super()._ask()
        if status.state not in ("starting", "lost"):
            return status
        info, _ = await self.link.ask("info", self._submission())
        return as_ray_has_it(status, info)

    def _submission(self) -> str:
        """The name of the attempt among Ray's jobs."""
        job = description(self.run_dir)
        return f"flowreasoner-{job['id']}-{job['attempt']}"


def as_ray_has_it(status: JobStatus, info: dict[str, Any] | None) -> JobStatus:
    """The status of a job whose directory does not say how it ended, given what Ray says; None is nothing.

    A job that Ray still runs has lost its supervisor only where that began.
    """
    if info is None or (info["status"] == "RUNNING" and status.state == "lost" and status.pid is not None):
        return status
    if info["status"] in ("PENDING", "RUNNING"):
        return replace(status, state="starting")
    message = next(iter((info["message"] or "").strip().splitlines()), "Ray has ended its supervisor")
    if info["status"] in _ENDS:
        state = _ENDS[info["status"]]
        return replace(status, state=state, error=message[:300] if state == "failed" else None)
    return status


async def check_cluster(link: RayLink, ranks: int = 0, *, on_gpus: bool = False) -> HostReport:
    """Ask a cluster for what jobs need; `ranks` is how many processes one is to have.

    The report is that of the head node, with the GPUs of all nodes. Raises HostError where nothing can be
    asked.
    """
    report = await check(link)
    found, _ = await link.ask("resources")
    name = "GPU" if on_gpus else "CPU"
    count, gpus = int(found["total"][name]), int(found["total"]["GPU"])
    taken = gpus - int(found["free"]["GPU"])
    problems = list(report.problems)
    if ranks > count:
        problems.append(
            f"{link.name} has {counted(count, name)} on {counted(found['nodes'], 'node')}, and the recipe "
            f"has hardware.processes={ranks}, a {name} for each: set fewer, or add nodes"
        )
    return replace(
        report,
        gpus={gpu: "a job or another program of the cluster has it" * (gpu < taken) for gpu in range(gpus)},
        problems=tuple(problems),
    )


async def submit_to_cluster(spec: JobSpec, folder: Path, name: str, host: Host, report: Report) -> RayJob:
    """Start a job on a cluster. What fails before it is submitted leaves nothing behind, here or there.

    Raises:
        HostError: the cluster cannot be used.
        JobError: the job is not one for a cluster, or what it needs cannot be brought there.
    """
    if spec.kind == "serve":
        raise JobError(f"{name} is a Ray cluster: serve models on this machine, or on a host with SSH")
    if spec.gpus:
        raise JobError(f"{name} is a Ray cluster, which chooses the GPUs itself: leave --gpus out")
    job = RayJob(folder / spec.id, name, host)
    link = job.link

    async def python() -> str:
        if lacking := [module for module in (PROOF[spec.needs], "ray") if not await link.has(module)]:
            raise HostError(
                f"{link.python} of {name} lacks {' and '.join(lacking)}: install "
                f"'flowreasoner[{spec.needs},ray]' on every node, or set hosts.{name}.environment"
            )
        return link.python

    try:
        found = await check_cluster(link, spec.ranks, on_gpus=spec.on_gpus)
        for warning in found.warnings:
            report(warning)
        if found.problems:
            raise HostError("; ".join(found.problems))
    except BaseException:
        await link.close()
        raise
    await place(job, replace(spec, argv=on_cluster(spec.argv)), python, report)
    return job


def on_cluster(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command that has a cluster run `argv` as each rank of a job, in the form of `JobSpec.argv`."""
    return (*ours("training.jobs.ray.ranks", RUN_DIR), *argv)
