"""The command line. Everything but the options themselves is imported by the command that needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tui.commands import (
    catalog,
    compare,
    dataset,
    exchange,
    experiments,
    failures,
    fork,
    jobs,
    live,
    machine,
    models,
    playground,
    runs,
    stored,
    train,
    web,
)

app = typer.Typer(
    name="flowreasoner",
    help="A terminal workbench for LLM-generated workflows. Without a command, open the workbench.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for commands in (
    runs,
    stored,
    failures,
    fork,
    playground,
    compare,
    experiments,
    train,
    jobs,
    live,
    exchange,
    dataset,
    web,
    models,
    catalog,
    machine,
):
    app.add_typer(commands.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"flowreasoner {version('flowreasoner')}\n")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def workbench(context: typer.Context, version: Version = False) -> None:
    """Open the workbench; where standard output is no terminal, run its example and print the trace."""
    if context.invoked_subcommand is not None:
        return
    from tui.opening import on_terminal, open_workbench

    if on_terminal():
        open_workbench()
        return
    from engine.config import load
    from tui.headless.run import run as run_headless
    from tui.service.asked.run import default_request
    from tui.service.runtime import Runtime

    settings = load()
    raise typer.Exit(run_headless(Runtime(settings), default_request(settings)))
