"""Jobs on other machines, kept up to date here while the workbench is open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.remote.hosts import HostReport

ASK_S = 2.0


class JobLinks:
    """Brings what remote jobs write, one link a job, until they end. Nothing waits for a host."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self._hosts = hosts
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self.problems: dict[str, str] = {}
        """Why jobs cannot be followed, by id: a sentence each. Of a host that is down the status tells."""

    def follow(self, run_dirs: Iterable[Path]) -> None:
        """Follow these from now on, besides those that are followed already."""
        for run_dir in run_dirs:
            task = self._tasks.get(run_dir)
            if task is None or (task.done() and run_dir.name not in self.problems):
                self._tasks[run_dir] = asyncio.create_task(self._follow(run_dir))

    async def _follow(self, run_dir: Path) -> None:
        from training.jobs.job import open_job

        try:
            job = await asyncio.to_thread(open_job, run_dir, self._hosts)
            try:
                while True:
                    if (await job.status()).has_ended:
                        return
                    await asyncio.sleep(ASK_S)
            finally:
                await job.close()
        except ExpectedError as error:
            self.problems[run_dir.name] = str(error)

    async def aclose(self) -> None:
        """Let go of all links; the jobs go on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def check_host(name: str, host: Host, gpus: Iterable[int] = ()) -> HostReport:
    """How a host is now. Raises HostError: it does not answer, or cannot be logged in to."""
    from training.jobs.remote.hosts import check
    from training.jobs.remote.link import Link

    link = Link(name, host)
    try:
        return await check(link, gpus)
    finally:
        await link.close()
