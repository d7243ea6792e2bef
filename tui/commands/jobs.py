"""Commands for the jobs there are, and the hosts they run on."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)
jobs_app = typer.Typer(
    help="Manage training and serving jobs; without a command, list them.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(jobs_app, name="jobs")

JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="A job's id, the start of one, its name, or `last`.")
]


@jobs_app.callback()
def default(context: typer.Context) -> None:
    """Manage training and serving jobs; without a command, list them."""
    if context.invoked_subcommand is None:
        ls()


@jobs_app.command("ls")
def ls(json: JsonFlag = False) -> None:
    """List jobs, newest first; a remote job as it was when its host last answered."""
    from engine.config import load
    from tui.headless.jobs import list_jobs

    list_jobs(load(), as_json=json)


@jobs_app.command("show")
def show(job: JobName, json: JsonFlag = False) -> None:
    """Show a job's state, its newest step and its checkpoints; asks the job's host."""
    from engine.config import load
    from tui.headless.jobs import show_job

    show_job(load(), job, as_json=json)


@jobs_app.command("logs")
def logs(
    job: JobName,
    offset: Annotated[int, typer.Option(min=0, help="Start at this byte.")] = 0,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Keep printing until the job ends. Ctrl-C leaves the job running."),
    ] = False,
) -> None:
    """Print a job's output."""
    from engine.config import load
    from tui.headless.jobs import print_log

    raise typer.Exit(print_log(load(), job, offset, follow=follow))


@jobs_app.command("stop")
def stop(
    job: JobName,
    grace: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds it has to write a checkpoint before it is killed.  [default: 30]"),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Stop a job, and wait until all of its processes have ended. `resume` continues it."""
    from engine.config import load
    from tui.headless.jobs import stop_job

    raise typer.Exit(stop_job(load(), job, grace, as_json=json))


@jobs_app.command("resume")
def resume(job: JobName, json: JsonFlag = False) -> None:
    """Continue a job that failed, was stopped or is lost, from its newest complete checkpoint."""
    from engine.config import load
    from tui.headless.jobs import resume_job

    resume_job(load(), job, as_json=json)


@jobs_app.command("fetch")
def fetch(
    job: JobName,
    step: Annotated[
        list[int] | None, typer.Option(min=0, help="Only the checkpoint of this step; repeatable.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Copy a job's checkpoints here, the newest first. An interrupted copy is continued."""
    from engine.config import load
    from tui.headless.jobs import fetch_checkpoints

    fetch_checkpoints(load(), job, step, as_json=json)


@jobs_app.command("rm")
def remove(job: JobName, json: JsonFlag = False) -> None:
    """Delete a job that has ended, with its checkpoints, here and on its host. Its runs are kept."""
    from engine.config import load
    from tui.headless.jobs import remove_job

    remove_job(load(), job, as_json=json)


@app.command()
def hosts(
    name: Annotated[
        str | None, typer.Argument(metavar="[HOST]", help="The host to check. Default: list all hosts.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the hosts of the config file, or check one: Python, GPUs, disk, Docker and clock.

    Exit code: 0, or 3 where a job cannot run there.
    """
    from engine.config import load
    from tui.headless.hosts import check_host, list_hosts

    settings = load()
    raise typer.Exit(check_host(settings, name, as_json=json) if name else list_hosts(settings, as_json=json))
