"""`flowreasoner train`: a recipe becomes a job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from training.jobs import directory
from training.jobs.directory import JobSpec, jobs_folder
from training.jobs.job import submit
from tui.headless.jobs import follow_progress
from tui.reports.jobs import job_data, profile_table, state_words
from tui.reports.tables import emit
from tui.service.errors import INTERRUPTED, PASSED, say

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.host_config import Host


@dataclass(frozen=True)
class Training:
    """What is to be trained, and where."""

    recipe: str
    changes: tuple[str, ...] = ()
    data: Path | None = None
    name: str | None = None
    on: str | None = None
    gpus: str | None = None


def train(
    settings: Settings, wanted: Training, *, dry_run: bool, follow: bool, profile: bool, as_json: bool
) -> int:
    """Submit the job, and follow it if asked; the exit code. Raises RecipeError, JobError, HostError."""
    host = host_named(settings, wanted.on)
    spec = _spec(settings, wanted, host)
    if dry_run:
        return PASSED
    return asyncio.run(
        _train(settings, spec, host, follow=follow or profile, profile=profile, as_json=as_json)
    )


def _spec(settings: Settings, wanted: Training, host: tuple[str, Host] | None) -> JobSpec:
    from training.jobs.specs import training_spec
    from training.recipes import load

    data = [f"data.path={_quoted(wanted.data)}"] if wanted.data is not None else []
    recipe = load(wanted.recipe, [*wanted.changes, *data])
    return training_spec(
        recipe,
        wanted.name or Path(wanted.recipe).stem,
        gpus=_numbers(wanted.gpus),
        host=host[1] if host else None,
        jobs=jobs_folder(settings.store_path()),
    )


async def _train(
    settings: Settings,
    spec: JobSpec,
    host: tuple[str, Host] | None,
    *,
    follow: bool,
    profile: bool,
    as_json: bool,
) -> int:
    job = await submit(spec, jobs_folder(settings.store_path()), host, say)
    try:
        if not follow:
            status = await job.status()
            words = f"job {spec.id} ({spec.name}) is {state_words(status)}; {_how_to(spec.id)}"
            emit(job_data(directory.description(job.run_dir), status), words, as_json)
            return PASSED
        if not as_json:
            emit(None, f"job {spec.id} ({spec.name})", False)
        code = await follow_progress(job, as_json=as_json)
        if profile and not as_json:
            emit(None, profile_table(job.run_dir) or "the trainer has not said where its time went", False)
        return code
    except asyncio.CancelledError:
        say(f"job {spec.id} goes on; {_how_to(spec.id)}")
        return INTERRUPTED
    finally:
        await job.close()


def host_named(settings: Settings, name: str | None) -> tuple[str, Host] | None:
    """A host of the config file; None for this machine. Raises UsageError."""
    if name is None or name == directory.LOCAL:
        return None
    if name not in settings.hosts:
        from engine.config import config_path

        known = f"there are {', '.join(settings.hosts)}" if settings.hosts else "there are none yet"
        raise UsageError(f"there is no host {name!r} in {config_path()}, {known}: add [hosts.{name}]")
    return name, settings.hosts[name]


def _how_to(job: str) -> str:
    return (
        f"follow it with `flowreasoner jobs logs {job} --follow`, stop it with `flowreasoner jobs stop {job}`"
    )


def _quoted(path: Path) -> str:
    from json import dumps

    return dumps(str(path.expanduser().absolute()))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """Raises UsageError."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"--gpus {text}: write the numbers of GPUs, as in 0,1")
    return tuple(map(int, parts))
