"""Keeping the directories of jobs on other hosts up to date, for whoever shows them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.jobs import directory
from training.jobs.directory import LOCAL, JobError, description
from training.jobs.job import open_job

if TYPE_CHECKING:
    from engine.host_config import Host

_EVERY_S = 2.0


class Watch:
    """Copies here what jobs elsewhere have written, in the background: a slow host delays nobody."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self._hosts = hosts
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def look_at(self, run_dirs: Iterable[Path]) -> None:
        """From now on, copy what those of the jobs write that are elsewhere and have not ended."""
        for run_dir in run_dirs:
            task = self._tasks.get(run_dir.name)
            if (task is None or task.done()) and self._goes_on_elsewhere(run_dir):
                self._tasks[run_dir.name] = asyncio.create_task(self._follow(run_dir))

    async def aclose(self) -> None:
        """Stop copying; the jobs go on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def _goes_on_elsewhere(self, run_dir: Path) -> bool:
        with contextlib.suppress(JobError):
            host = description(run_dir).get("host", LOCAL)
            return host in self._hosts and not directory.status(run_dir).has_ended
        return False

    async def _follow(self, run_dir: Path) -> None:
        job = open_job(run_dir, self._hosts)
        try:
            while True:
                status = await job.status()
                if status.has_ended:
                    return
                await asyncio.sleep(_EVERY_S)
        except (JobError, OSError):  # its directory is gone, or cannot be written: tried again later
            await asyncio.sleep(_EVERY_S)
        finally:
            await job.close()
