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
    from engine.config import load

    settings = load()
    if sys.stdout.isatty() and sys.stdin.isatty():
        from tui.app import WorkbenchApp
        from tui.service.workbench import EngineWorkbench

        workbench = EngineWorkbench(settings)
        WorkbenchApp(workbench, initial_request=workbench.first_request()).run()
        return
    from tui.headless.run import run as run_headless
    from tui.service.asked.run import default_request
    from tui.service.runtime import Runtime

    raise typer.Exit(run_headless(Runtime(settings), default_request(settings)))


def main() -> None:
    """The `flowreasoner` command: every error is one sentence on standard error."""
    from tui.streams import OutputError, discard, prepare

    try:
        prepare()
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where what goes wrong can still be said
    except BrokenPipeError:  # the reader of our output is gone: nothing to say, nobody to say it to
        sys.stderr.close()
        raise SystemExit(141) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the process's edge: no traceback leaves it
        from sandbox.errors import ExpectedError
        from tui.service.errors import INTERNAL, internal, say

        if isinstance(error, OutputError):
            discard()
        expected = isinstance(error, ExpectedError)
        say(str(error) if expected else internal(error))
        raise SystemExit(error.exit_code if expected else INTERNAL) from None


if __name__ == "__main__":
    main()
