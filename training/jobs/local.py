"""Jobs on this machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import flowreasoner

from training.jobs import directory
from training.jobs.directory import Checkpoint, JobError, JobSpec, JobStatus, Report, silent
from training.jobs.host.processes import MARK

_CODE = str(Path(flowreasoner.HERE) / "flowreasoner.py")


class LocalJob:
    """A job whose processes are on this machine (`job.Job`)."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    async def status(self) -> JobStatus:
        """As `Job.status`."""
        return await asyncio.to_thread(directory.status, self.run_dir)

    async def log(self, offset: int = 0) -> bytes:
        """As `Job.log`."""
        return directory.read_from(self.run_dir / "log", offset)

    async def stop(self, grace: float | None = None) -> None:
        """As `Job.stop`. Raises JobError where it cannot be asked."""
        await _host("stop", str(self.run_dir), *([] if grace is None else [str(grace)]))

    async def resume(self) -> None:
        """As `Job.resume`. Raises JobError where it has not ended, or is done."""
        directory.next_attempt(self.run_dir, await self.status())
        await _host("launch", str(self.run_dir))

    async def fetch(self, steps: Sequence[int] | None = None, report: Report = silent) -> list[Checkpoint]:
        """As `Job.fetch`: they are here already."""
        return [
            checkpoint
            for checkpoint in directory.checkpoints(self.run_dir)
            if steps is None or checkpoint.step in steps
        ]

    async def remove(self) -> None:
        """As `Job.remove`. Raises JobError where it has not ended."""
        now = await self.status()
        if not now.has_ended:
            raise JobError(f"job {self.run_dir.name} is {now.state}; stop it before you remove it")
        await asyncio.to_thread(directory.remove, self.run_dir)

    async def close(self) -> None:
        """As `Job.close`: there is no connection."""


async def submit_here(spec: JobSpec, folder: Path) -> LocalJob:
    """Start a job on this machine. Raises JobError where it cannot be started; nothing is left then."""
    run_dir = folder / spec.id
    argv = directory.filled_in(spec.argv, sys.executable, _CODE, str(run_dir))
    directory.create(run_dir, spec, argv)
    try:
        await _host("launch", str(run_dir))
    except JobError:
        directory.remove(run_dir)
        raise
    return LocalJob(run_dir)


async def _host(action: str, *words: str) -> None:
    """Run an errand of `host` in a process of its own, which may fork. Raises JobError."""
    process = await asyncio.create_subprocess_exec(
        *flowreasoner.command("training.jobs.host", action, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,  # Ctrl-C here shall not end it half-way
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise JobError(lines[-1] if lines else f"the job cannot be asked to {action}")
