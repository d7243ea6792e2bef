"""`flowreasoner train`: a recipe becomes a job."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from flowreasoner import command

from sandbox.errors import UsageError
from training.jobs import directory
from training.jobs.directory import JobSpec, jobs_folder
from training.jobs.job import submit
from training.jobs.specs import TRAINER, gpus_for
from tui.headless.jobs import follow_progress, interruptible
from tui.reports.jobs import job_data, profile_table, state_words
from tui.reports.tables import emit
from tui.service.errors import INTERRUPTED, PASSED, say
from tui.service.jobs.launch import Launch, estimate

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.host_config import Host


def train(settings: Settings, launch: Launch, *, follow: bool, profile: bool, as_json: bool) -> int:
    """Submit the job, and follow it if asked; the exit code.

    Raises RecipeError, JobError, ModelError and HostError.
    """
    host = host_named(settings, launch.host)
    spec = launch.spec(jobs_folder(settings.store_path()), host[1] if host else None)
    follow = follow or profile
    return interruptible(start(settings, spec, host, follow=follow, profile=profile, as_json=as_json))


def dry_run(settings: Settings, launch: Launch, *, as_json: bool) -> int:
    """Print the recipe, what it would take, and the command that the job would run; start nothing.

    Raises RecipeError, and ExpectedError where the data or the base cannot be used.
    """
    from training.recipes import plan

    host = host_named(settings, launch.host)
    recipe = launch.resolved()
    gpus = gpus_for(recipe, launch.gpus, host[1] if host else None)
    if as_json:
        found = plan(recipe, settings=settings)
        sizes = {"rows": found.rows, "tokens": found.tokens, "longest": found.longest, "steps": found.steps}
        guesses = {name: asdict(guess) for name, guess in found.estimates.items()}
        data = {"recipe": recipe.model_dump(), **sizes, "estimates": guesses, "argv": _command(host)}
        emit({**data, "gpus": gpus, "host": launch.host}, "", True)
        return PASSED
    lines = [recipe.to_toml().rstrip(), "", *(f"# {line}" for line in estimate(recipe))]
    lines.append(f"# {'command':<12}{shlex.join(_command(host))}")
    if gpus:
        lines.append(f"# {'GPUs':<12}{', '.join(map(str, gpus))}")
    if host is not None and host[1].is_ray:
        each = "a GPU and a CPU" if recipe.hardware.device == "cuda" else "a CPU"
        lines.append(f"# {'Ray':<12}a job at {host[1].address}; {recipe.hardware.processes} × {each}")
    emit(None, "\n".join(lines), False)
    return PASSED


def _command(host: tuple[str, Host] | None) -> list[str]:
    """What the job will run, but for the names of folders that are made when it starts."""
    if host is None:
        return command(*TRAINER[3:-1], "RUN_DIR")
    argv = TRAINER
    if host[1].is_ray:
        from training.jobs.ray.cluster import on_cluster

        argv = on_cluster(TRAINER)
    return directory.filled_in(argv, host[1].environment or "PYTHON", "CODE/flowreasoner.py", "RUN_DIR")


async def start(
    settings: Settings,
    spec: JobSpec,
    host: tuple[str, Host] | None,
    *,
    follow: bool,
    profile: bool = False,
    as_json: bool,
) -> int:
    """Submit a job, and follow it if asked. Whoever interrupts this is told that the job goes on."""
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
        if profile and not as_json and (parts := profile_table(job.run_dir)):
            emit(None, parts, False)
        return code
    except asyncio.CancelledError:
        say(f"job {spec.id} continues; {_how_to(spec.id)}")
        return INTERRUPTED
    finally:
        await job.close()


def host_named(settings: Settings, name: str) -> tuple[str, Host] | None:
    """A host of the config file; None for this machine. Raises UsageError."""
    if name == directory.LOCAL:
        return None
    if name not in settings.hosts:
        from engine.config import config_path

        known = f"it names {', '.join(settings.hosts)}" if settings.hosts else "it names none"
        raise UsageError(f"there is no host {name!r} in {config_path()} ({known}); add [hosts.{name}]")
    return name, settings.hosts[name]


def _how_to(job: str) -> str:
    jobs = "flowreasoner jobs"
    return f"follow it with `{jobs} logs {job} --follow`, stop it with `{jobs} stop {job}`"
