"""Jobs on a machine with an SSH server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.jobs.directory import JobSpec, Report
from training.jobs.remote.errors import HostError
from training.jobs.remote.hosts import check, check_port_there, environment
from training.jobs.remote.link import Link
from training.jobs.remote.remote_job import RemoteJob, place

if TYPE_CHECKING:
    from engine.host_config import Host


class SSHJob(RemoteJob[Link]):
    """A job whose processes are on such a machine."""

    def __init__(self, run_dir: Path, name: str, host: Host) -> None:
        super().__init__(run_dir, Link(name, host))


async def submit_there(spec: JobSpec, folder: Path, name: str, host: Host, report: Report) -> SSHJob:
    """Start a job on a host. What fails before it is launched leaves nothing behind, here or there.

    Raises:
        HostError: the host cannot be used.
        JobError: what the job needs cannot be made there.
    """
    job = SSHJob(folder / spec.id, name, host)
    link = job.link

    async def python() -> str:
        made = await environment(link, spec.needs, report)
        if spec.port is not None:
            await check_port_there(link, made, spec.port)
        return made

    try:
        found = await check(link, spec.gpus)
        for warning in found.warnings:
            report(warning)
        if found.problems:
            raise HostError("; ".join(found.problems))
    except BaseException:
        await link.close()
        raise
    await place(job, spec, python, report)
    return job
