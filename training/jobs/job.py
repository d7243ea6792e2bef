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
    """A job. Whoever has one may go at any time: the job is not theirs, it is its directory's.

    All methods raise JobError where the job cannot do it. Of a job on another host, all but `status` and
    `log` raise HostError where the host does not answer.
    """

    run_dir: Path

    async def status(self) -> JobStatus:
        """How it is. For a job elsewhere, this also brings here what it has written since."""
        ...

    async def log(self, offset: int = 0) -> bytes:
        """What it has printed, from a byte on; as much of it as there is here."""
        ...

    async def stop(self, grace: float | None = None) -> None:
        """Ask it to end: TERM, and KILL after `grace` seconds. Returns at once."""
        ...

    async def resume(self) -> None:
        """Have it go on from its newest complete checkpoint."""
        ...

    async def fetch(self, steps: Sequence[int] | None = None, report: Report = silent) -> list[Checkpoint]:
        """Have checkpoints here, the newest first; by default all of them."""
        ...

    async def remove(self) -> None:
        """Delete all of it. Raises JobError: it has not ended."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


async def submit(
    spec: JobSpec, folder: Path, host: tuple[str, Host] | None = None, report: Report = silent
) -> Job:
    """Start a job in `folder`; on another machine if `host` names one. What fails leaves nothing behind.

    Raises:
        JobError: it cannot be started.
        HostError: the host cannot be used.
    """
    if host is None:
        return await submit_here(spec, folder)
    from training.jobs.remote.ssh import submit_there

    return await submit_there(spec, folder, *host, report)


def open_job(run_dir: Path, hosts: Mapping[str, Host]) -> Job:
    """The job of a directory. Raises JobError: it is on a host that is not configured any more."""
    name = description(run_dir).get("host", LOCAL)
    if name == LOCAL:
        return LocalJob(run_dir)
    if name not in hosts:
        raise JobError(f"job {run_dir.name} runs on {name!r}, and the config file has no [hosts.{name}]")
    from training.jobs.remote.ssh import SSHJob

    return SSHJob(run_dir, name, hosts[name])
