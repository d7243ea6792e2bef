"""A job, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training.jobs.directory import (
    LOCAL,
    Checkpoint,
    JobError,
    JobSpec,
    JobStatus,
    Report,
    description,
    silent,
)
from training.jobs.local import LocalJob, submit_here

if TYPE_CHECKING:
    from engine.host_config import Host


class Job(Protocol):
    """A job. Whoever holds one may leave at any time: the job belongs to its directory, not to them.

    All methods raise JobError where the job cannot do it. For a job on another host, all but `status` and
    `log` raise HostError where the host does not answer.
    """

    run_dir: Path

    async def status(self) -> JobStatus:
        """How it is. For a job elsewhere, this also copies here what it has written since."""
        ...

    async def log(self, offset: int = 0) -> bytes:
        """What it has printed, from byte `offset` on; at most 1 MiB, and as much as there is here.

        An `offset` below 0 counts from the end.
        """
        ...

    async def stop(self, grace: float | None = None) -> None:
        """Ask it to end: TERM now, and KILL after `grace` seconds. Returns at once."""
        ...

    async def resume(self) -> None:
        """Start it again from its newest complete checkpoint."""
        ...

    async def fetch(self, steps: Sequence[int] | None = None, report: Report = silent) -> list[Checkpoint]:
        """Copy the checkpoints of these steps here, all by default; returns them, the newest first."""
        ...

    async def remove(self) -> None:
        """Delete all of it. Raises JobError where it has not ended."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


async def submit(
    spec: JobSpec, folder: Path, host: tuple[str, Host] | None = None, report: Report = silent
) -> Job:
    """Start a job in `folder`; on another machine where `host` names one. A failure leaves nothing behind.

    Raises:
        JobError: it cannot be started.
        HostError: the host cannot be used.
    """
    if host is None:
        return await submit_here(spec, folder)
    if host[1].is_ray:
        from training.jobs.ray.cluster import submit_to_cluster

        return await submit_to_cluster(spec, folder, *host, report)
    from training.jobs.remote.ssh import submit_there

    return await submit_there(spec, folder, *host, report)


def open_job(run_dir: Path, hosts: Mapping[str, Host]) -> Job:
    """The job of a directory.

    Raises JobError where the directory holds no job, or its host is no longer configured.
    """
    name = description(run_dir).get("host", LOCAL)
    if name == LOCAL:
        return LocalJob(run_dir)
    if name not in hosts:
        raise JobError(f"job {run_dir.name} runs on {name!r}, and the config file has no [hosts.{name}]")
    if hosts[name].is_ray:
        from training.jobs.ray.cluster import RayJob

        return RayJob(run_dir, name, hosts[name])
    from training.jobs.remote.ssh import SSHJob

    return SSHJob(run_dir, name, hosts[name])
