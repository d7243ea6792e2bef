"""`flowreasoner serve-model`: a checkpoint becomes an endpoint."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config_file import add_endpoint, check_endpoint
from training.jobs import directory
from training.jobs.directory import LOCAL, JobError, jobs_folder
from training.jobs.job import open_job, submit
from training.jobs.serving import forward, serving_spec, url, wait_until_it_answers
from tui.headless.jobs import interruptible
from tui.headless.train import host_named
from tui.reports.tables import emit
from tui.safe import file_stem
from tui.service.errors import INTERRUPTED, PASSED, UNAVAILABLE, say

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.host_config import Host


def serve(
    settings: Settings,
    model: str,
    *,
    name: str,
    on: str,
    gpus: tuple[int, ...] | None,
    port: int,
    as_json: bool,
) -> int:
    """Start a server for the model; wait until it answers; register it; forward it if it is elsewhere.

    Where its job runs on a host already, that is what is forwarded. The exit code.

    Raises JobError, ModelError, HostError and ConfigError.
    """
    host = host_named(settings, on)
    name = name or file_stem(model, "model")
    # Before anything is started: a name that means another address would be found out too late.
    check_endpoint(name, url(port))
    return interruptible(_serve(settings, model, name, host, gpus, port, as_json))


async def _serve(
    settings: Settings,
    model: str,
    name: str,
    host: tuple[str, Host] | None,
    gpus: tuple[int, ...] | None,
    port: int,
    as_json: bool,
) -> int:
    jobs = jobs_folder(settings.store_path())
    running = _running(jobs, name, on=host[0] if host else LOCAL)
    if running is not None and host is None:
        raise JobError(
            f"job {running.name} serves {name} already; stop it with: flowreasoner jobs stop {name}"
        )
    if running is not None:
        job = open_job(running, settings.hosts)
    else:
        spec = serving_spec(model, name, port, gpus, host=host[1] if host else None, jobs=jobs)
        job = await submit(spec, jobs, host, say)
    ident = job.run_dir.name
    forwarding = asyncio.create_task(forward(job, port, say)) if host is not None else None
    try:
        await _beside(wait_until_it_answers(job, port), forwarding)
        add_endpoint(name, url(port), [name])
        words = f"{name}/{name} answers at {url(port)}; stop it with: flowreasoner jobs stop {ident}"
        emit({"model": f"{name}/{name}", "job": ident, "base_url": url(port)}, words, as_json)
        sys.stdout.flush()  # whoever reads it waits for it
        if forwarding is None:
            return PASSED
        say(f"port {port} is forwarded to {job.run_dir.name} for as long as this command runs")
        await forwarding
        say(f"job {ident} has ended")
        return UNAVAILABLE
    except asyncio.CancelledError:
        say(f"job {ident} continues; stop it with: flowreasoner jobs stop {ident}")
        return INTERRUPTED
    finally:
        if forwarding is not None:
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)
        await job.close()


def _running(jobs: Path, name: str, *, on: str) -> Path | None:
    """The directory of the job that serves under this name there."""
    for run_dir in directory.all_jobs(jobs):
        job = directory.description(run_dir)
        same = (job.get("kind"), job.get("name"), job.get("host")) == ("serve", name, on)
        if same and not directory.status(run_dir).has_ended:
            return run_dir
    return None


async def _beside(work: Coroutine[None, None, None], other: asyncio.Task[None] | None) -> None:
    """Carry out `work`, and give up if `other` fails."""
    task = asyncio.create_task(work)
    try:
        if other is not None:
            await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
            if other.done() and not other.cancelled() and (error := other.exception()) is not None:
                raise error
        await task
    finally:
        task.cancel()
