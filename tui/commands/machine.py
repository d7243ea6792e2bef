"""Commands about this machine: what is missing, its sandbox, its settings."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)
sandbox_app = typer.Typer(
    help="The images and containers that generated code runs in.", rich_markup_mode=None
)
config_app = typer.Typer(help="The settings in force, and the file they come from.", rich_markup_mode=None)
app.add_typer(sandbox_app, name="sandbox", no_args_is_help=True)
app.add_typer(config_app, name="config", no_args_is_help=True)


@app.command()
def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Install and start what is missing, where possible.")
    ] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Print only what is wrong.")] = False,
    json: JsonFlag = False,
) -> None:
    """Check everything a run needs, and try to break out of the sandbox."""
    from engine.config import load
    from tui.reports.sandbox import print_doctor

    raise typer.Exit(print_doctor(load().docker_hosts, fix=fix, brief=brief, as_json=json))


@sandbox_app.command("build")
def sandbox_build(
    image: Annotated[
        Literal["core", "science", "math"],
        typer.Option(
            help="core: standard library, pytest; science: also numpy, pandas, …; math: also math-verify."
        ),
    ] = "core",
    json: JsonFlag = False,
) -> None:
    """Build a sandbox image if it is missing or out of date."""
    from engine.config import load
    from tui.reports.sandbox import print_build

    print_build(image, load().docker_hosts, as_json=json)


@sandbox_app.command("status")
def sandbox_status(json: JsonFlag = False) -> None:
    """Show the images, and the containers that exist now."""
    from engine.config import load
    from tui.reports.sandbox import print_sandbox_status

    print_sandbox_status(load().docker_hosts, as_json=json)


@sandbox_app.command("prune")
def sandbox_prune(json: JsonFlag = False) -> None:
    """Remove images that newer ones replaced and containers whose process is gone."""
    from engine.config import load
    from tui.reports.sandbox import print_sandbox_prune

    print_sandbox_prune(load().docker_hosts, as_json=json)


@config_app.command("path")
def config_path(json: JsonFlag = False) -> None:
    """Print the path of the config file."""
    from engine.config import config_path as path
    from tui.reports.tables import emit

    emit({"path": str(path())}, str(path()), json)


@config_app.command("show")
def config_show(json: JsonFlag = False) -> None:
    """Print the settings in force. Keys are never shown."""
    from engine.config import load
    from tui.reports.tables import print_settings

    print_settings(load(), as_json=json)
