"""The command line. A command is built, and what it needs imported, once it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

# The modules of `tui.commands`, and what each defines, in the order of the help.
COMMANDS = {
    "runs": ("run", "run-workflow"),
    "stored": ("runs", "show", "prune"),
    "failures": ("failures", "annotate", "rerun"),
    "fork": ("fork", "replay"),
    "playground": ("playground",),
    "compare": ("compare",),
    "experiments": ("bench", "experiments"),
    "train": ("serve-model", "train"),
    "jobs": ("hosts", "jobs"),
    "live": ("attach", "control", "engine"),
    "exchange": ("export", "export-workflow", "export-pairs", "import"),
    "dataset": ("dataset",),
    "web": ("serve",),
    "models": ("models",),
    "catalog": ("variants", "operators", "benchmarks", "verify"),
    "machine": ("doctor", "sandbox", "config"),
}


class _Commands(typer.core.TyperGroup):
    """The commands, each built when it is wanted: to build all takes as long as a short one runs."""

    # Any: Typer's contexts and commands are of a Click of its own, which is private.
    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            # Of a name that nobody knows, Typer suggests those that are near: all of them then.
            modules = [module for module, names in COMMANDS.items() if cmd_name in names] or COMMANDS
            for module in modules:
                part = import_module(f"tui.commands.{module}").app
                self.commands.update(typer.main.get_group(part).commands)
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    name="flowreasoner",
    cls=_Commands,
    help="A terminal workbench for LLM-generated workflows. Without a command, open the workbench.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
