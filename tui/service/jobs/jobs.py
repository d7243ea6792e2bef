"""The jobs of a store, as the screens use them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tui.service.jobs.news import JobNews
from tui.service.jobs.reading import JobReading
from tui.service.jobs.standing import JobStanding

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.directory import Checkpoint
    from training.jobs.job import Job
    from training.jobs.remote.hosts import HostReport
    from training.jobs.watch import Watch
    from tui.service.jobs.hosts import HostCheck
    from tui.service.jobs.launch import Launch
    from tui.service.records import Records

T = TypeVar("T")
SERVE_PORT = 8000  # as `serve-model` has it


class Jobs:
    """Reads jobs through `records`, and controls them through their folders.

    Nothing is imported or opened before the first call. `hosts` gives those of the settings, `clock` Unix
    seconds.
    """

    def __init__(
        self,
        records: Records,
        hosts: Callable[[], Mapping[str, Host]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._hosts, self._clock = records, hosts, clock
        self.folder = records.path.parent / "jobs"  # `training.jobs.directory.jobs_folder`
        self._reading = JobReading(records.path, self.folder)
        self._watch: Watch | None = None
        self.news = JobNews()
        self.checks: dict[
            str, HostCheck
        ] = {}  # of hosts, by name; a host is asked only when somebody says so

    @property
    def problems(self) -> list[str]:
        """What is wrong with folders that should be a job's, one sentence each."""
        return list(self._reading.problems.values())

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts of the settings, by name."""
        return self._hosts()

    async def check_host(self, name: str) -> HostReport:
        """How a host of the settings is now. Raises ExpectedError where it cannot be asked."""
        from sandbox.errors import ExpectedError
        from tui.service.jobs.hosts import check_host

        try:
            report = await check_host(name, self.hosts[name])
        except ExpectedError:
            self.note_check(name, None)
            raise
        self.note_check(name, report)
        return report

    def note_check(self, name: str, report: HostReport | None) -> None:
        """Remember what a check found just now."""
        from tui.service.jobs.hosts import HostCheck

        self.checks[name] = HostCheck(report, self._clock())

    def check_age_s(self, name: str) -> float | None:
        """Seconds since the last check of a host; None where there was none."""
        return max(self._clock() - self.checks[name].at, 0.0) if name in self.checks else None

    def folder_of(self, job_id: str) -> Path:
        """The folder of the job with this id, whether or not it exists."""
        return self.folder / job_id

    # -- what there is -----------------------------------------------------------------------------

    async def standings(self) -> list[JobStanding]:
        """How every job stands, newest first, after reading what is new.

        Raises StoreError where the store cannot be read or written.
        """
        if not await asyncio.to_thread(self.folder.is_dir):
            return []
        await self._watch_elsewhere()
        await self._reading.refresh()
        rows = await self._records.read(lambda reader: reader.jobs.all())

        def stand() -> list[JobStanding]:
            from training.jobs.directory import all_jobs, status

            run_dirs = {run_dir.name: run_dir for run_dir in all_jobs(self.folder)}
            now = self._clock()
            return [JobStanding(row, status(run_dirs[row.id]), now) for row in rows if row.id in run_dirs]

        standings = await asyncio.to_thread(stand)
        self.news.look(standings)
        return standings

    async def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """The complete checkpoints on this machine, newest first."""
        from training.jobs.directory import checkpoints

        return await asyncio.to_thread(checkpoints, self.folder_of(job_id))

    # -- control -----------------------------------------------------------------------------------

    async def submit(self, launch: Launch) -> str:
        """Start a job; returns its id. Raises ExpectedError with why it cannot be started."""
        from training.jobs.job import submit

        host = None if launch.host == "local" else self.hosts[launch.host]
        spec = await asyncio.to_thread(launch.spec, self.folder, host)
        job = await submit(spec, self.folder, None if host is None else (launch.host, host))
        await job.close()
        return job.run_dir.name

    async def serve(self, model: str) -> str:
        """Serve a model on this machine with vLLM; returns its name once it answers, as endpoint and model.

        The endpoint is added to the settings file. Raises ExpectedError where the model cannot be served.
        """
        from engine.config_file import add_endpoint, check_endpoint
        from training.jobs.job import submit
        from training.jobs.serving import serving_spec, url, wait_until_it_answers
        from tui.safe import file_stem

        name = file_stem(model, "model")
        check_endpoint(name, url(SERVE_PORT))
        spec = await asyncio.to_thread(
            lambda: serving_spec(model, name, SERVE_PORT, None, host=None, jobs=self.folder)
        )
        job = await submit(spec, self.folder)
        try:
            await wait_until_it_answers(job, SERVE_PORT)
        finally:
            await job.close()
        add_endpoint(name, url(SERVE_PORT), [name])
        return f"{name}/{name}"

    async def stop(self, job_id: str) -> None:
        """Ask the job to end; it writes a checkpoint first. Raises ExpectedError where it cannot be asked."""
        await self._with(job_id, lambda job: job.stop())

    async def resume(self, job_id: str) -> None:
        """Restart the job from its newest checkpoint. Raises ExpectedError where it cannot be resumed."""
        await self._with(job_id, lambda job: job.resume())

    async def fetch(self, job_id: str) -> int:
        """Copy the job's checkpoints to this machine; returns how many came.

        Raises ExpectedError where its host does not answer, or they do not arrive whole.
        """
        return len(await self._with(job_id, lambda job: job.fetch(None, lambda _: None)))

    async def remove(self, job_id: str) -> None:
        """Delete the job's folder and what the store has of it, except its runs.

        Raises ExpectedError where it has not ended, or cannot be deleted.
        """

        def forget() -> None:
            from store.db import open_writer
            from store.errors import explained
            from store.jobs import ingest

            path = self._records.path
            with explained(path), closing(open_writer(path)) as db:
                ingest.forget(db, job_id)

        await self._with(job_id, lambda job: job.remove())
        await asyncio.to_thread(forget)

    async def _watch_elsewhere(self) -> None:
        """Have what jobs on other hosts write come here, if there are hosts."""
        if not self.hosts:
            return
        from training.jobs.directory import all_jobs
        from training.jobs.watch import Watch

        self._watch = self._watch or Watch(self.hosts)
        self._watch.look_at(await asyncio.to_thread(all_jobs, self.folder))

    async def _with(self, job_id: str, act: Callable[[Job], Awaitable[T]]) -> T:
        from training.jobs.job import open_job

        job = await asyncio.to_thread(open_job, self.folder_of(job_id), self.hosts)
        try:
            return await act(job)
        finally:
            await job.close()

    async def aclose(self) -> None:
        """Disconnect from other hosts, and wait for a reading in progress."""
        if self._watch is not None:
            await self._watch.aclose()
        await self._reading.aclose()
