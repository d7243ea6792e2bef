"""The commands for jobs: list, show, follow, stop, resume, fetch, delete."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from training.jobs import directory
from training.jobs.directory import JobError, JobStatus, jobs_folder
from training.jobs.job import Job, open_job
from training.trainers.progress import progress_words
from tui.reports.jobs import (
    WIDTH,
    LogText,
    job_data,
    last_step,
    print_job,
    print_jobs,
    progress_lines,
    state_words,
)
from tui.reports.tables import emit
from tui.safe import one_line
from tui.service.errors import FAILED, INTERRUPTED, PASSED, UNAVAILABLE, say

if TYPE_CHECKING:
    from engine.config import Settings

_POLL_S = 0.5
_ERROR = 2000  # characters of an error, which is said whole
_EXIT = {"done": PASSED, "failed": FAILED}
T = TypeVar("T")


def list_jobs(settings: Settings, *, as_json: bool) -> None:
    """`flowreasoner jobs`."""
    rows = []
    for run_dir in directory.all_jobs(jobs_folder(settings.store_path())):
        try:
            job = directory.description(run_dir)
        except JobError:
            continue  # another process removes it just now, or something else made it
        newest = last_step(run_dir)
        rows.append((job, directory.status(run_dir), str(newest.get("step")) if newest else ""))
    print_jobs(rows, as_json=as_json)


def show_job(settings: Settings, name: str, *, as_json: bool) -> None:
    """`flowreasoner jobs show`. Raises JobError."""

    async def show(job: Job) -> None:
        status = await job.status()
        steps = [c.step for c in directory.checkpoints(job.run_dir)]
        described, tried = directory.description(job.run_dir), _experiments_of(settings, job.run_dir.name)
        print_job(job.run_dir, described, status, steps, tried, as_json=as_json)

    _with(settings, name, show)


def _experiments_of(settings: Settings, job_id: str) -> list[str]:
    """The experiments that try the job's checkpoints. Raises StoreError."""
    from store.reader import Reader
    from tui.service.jobs.evaluation import experiments_of

    if not settings.store_path().exists():
        return []
    with Reader(settings.store_path()) as reader:
        return experiments_of(reader.experiments.all(), job_id)


def print_log(settings: Settings, name: str, offset: int, *, follow: bool) -> int:
    """`flowreasoner jobs logs`; when followed, the exit code is the job's end. Raises JobError."""

    async def copy(job: Job) -> int:
        text, place, was = LogText(), offset, ""
        while True:
            status = await job.status()  # before the log: at the end, nothing comes after
            while raw := await job.log(place):
                place += len(raw)
                sys.stdout.write(text.add(raw))
            sys.stdout.flush()
            if not follow or status.has_ended:
                sys.stdout.write(text.end())
                return _EXIT.get(status.state, UNAVAILABLE) if follow else PASSED
            was = _say_link(status, was)
            await asyncio.sleep(_POLL_S)

    return _with(settings, name, copy)


async def follow_progress(job: Job, *, as_json: bool) -> int:
    """Print a job's progress until it ends; the exit code says how. Being interrupted does not end it."""
    path, place, rest, total, was, state = job.run_dir / "progress.jsonl", 0, b"", None, "", ""
    told = None  # the error of the newest attempt that was printed
    while True:
        status = await job.status()
        while raw := directory.read_from(path, place):
            place += len(raw)
            whole, _, rest = (rest + raw).rpartition(b"\n")
            for line in progress_lines(whole):
                total, told = line.get("total_steps", total), line.get("error")
                words = one_line(progress_words(line, total), _ERROR if told else WIDTH)
                if as_json or words:
                    emit(line, words, as_json)
        if not as_json and status.state != state and status.state != "running" and not status.has_ended:
            emit(None, state_words(status), False)
        state, was = status.state, _say_link(status, was)
        sys.stdout.flush()
        if status.has_ended:
            _say_end(job, status, told)
            return _EXIT.get(status.state, UNAVAILABLE)
        await asyncio.sleep(_POLL_S)


def stop_job(settings: Settings, name: str, grace: float | None, *, as_json: bool) -> int:
    """`flowreasoner jobs stop`: returns once nothing of the job is left. Raises JobError."""

    async def stop(job: Job) -> int:
        await job.stop(grace)
        while True:
            status = await job.status()
            if status.has_ended:
                break
            await asyncio.sleep(0.1)
        emit(job_data(directory.description(job.run_dir), status), state_words(status), as_json)
        return PASSED

    return _with(settings, name, stop)


def resume_job(settings: Settings, name: str, *, as_json: bool) -> None:
    """`flowreasoner jobs resume`. Raises JobError."""

    async def resume(job: Job) -> None:
        await job.resume()
        status, described = await job.status(), directory.description(job.run_dir)
        words = f"attempt {described['attempt']} of job {described['id']}: {state_words(status)}"
        emit(job_data(described, status), words, as_json)

    _with(settings, name, resume)


def fetch_checkpoints(settings: Settings, name: str, steps: list[int] | None, *, as_json: bool) -> None:
    """`flowreasoner jobs fetch`. Raises JobError."""

    async def fetch(job: Job) -> None:
        found = await job.fetch(steps, say)
        if not found:
            raise JobError(f"job {job.run_dir.name} has no such complete checkpoint")
        folders = [str(checkpoint.folder) for checkpoint in found]
        emit(folders, "\n".join(folders), as_json)

    _with(settings, name, fetch)


def remove_job(settings: Settings, name: str, *, as_json: bool) -> None:
    """`flowreasoner jobs rm`. Raises JobError."""

    async def remove(job: Job) -> None:
        await job.remove()
        emit({"removed": job.run_dir.name}, f"removed job {job.run_dir.name}", as_json)

    _with(settings, name, remove)


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncGenerator[Job, None]:
    """The job of this name. Raises JobError."""
    run_dir: Path = directory.find(jobs_folder(settings.store_path()), name)
    job = open_job(run_dir, settings.hosts)
    try:
        yield job
    finally:
        await job.close()


def _with(settings: Settings, name: str, use: Callable[[Job], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened(settings, name) as job:
            return await use(job)

    return interruptible(run())


def interruptible(work: Coroutine[None, None, T]) -> T:
    """Carry out `work`; being interrupted ends the command and nothing else."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _say_link(status: JobStatus, was: str) -> str:
    """Say that a link went down or is back, once each."""
    now = status.link or ""
    if bool(now) != bool(was):
        say(f"link down: {now}; the job continues there; trying again" if now else "the link is back")
    return now


def _say_end(job: Job, status: JobStatus, told: object) -> None:
    """How the job ended, with its error unless that is what was `told` last."""
    if status.state == "failed":
        why = f": {status.error}" if status.error and status.error != told else ""
        say(f"job {job.run_dir.name} failed{why}; see: flowreasoner jobs logs {job.run_dir.name}")
    elif status.state != "done":
        said = f"job {job.run_dir.name} is {status.state}"
        say(f"{said}; continue with: flowreasoner jobs resume {job.run_dir.name}")
