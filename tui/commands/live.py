"""Commands for runs in progress: attach, control, and the engine they run in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)

Action = Literal["state", "pause", "continue", "step", "break", "edit", "skip", "finish", "cancel"]
How = Literal["into", "over", "out"]


@app.command()
def attach(
    run_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's id or its start, or an experiment's name; optional if only one is in progress.",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Follow a run or an experiment that is in progress elsewhere, until it ends.

    Interrupting this command does not stop the run. Exit codes as for `run` and `bench`.
    """
    from engine.config_sources import store_path
    from tui.headless.attach import attach as follow

    raise typer.Exit(follow(store_path(), run_id, as_json=json))


@app.command()
def control(
    run_id: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run in progress (its id or the start of it) or an experiment (its name).",
        ),
    ],
    action: Annotated[Action, typer.Argument(help="What to do.")] = "state",
    how: Annotated[
        How, typer.Option(help="For `step`: into the step's calls, over the step, or out of it.")
    ] = "over",
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="A breakpoint, such as 'before test' or 'line 12'; for `break` (all of them) and `continue`."
        ),
    ] = None,
    value: Annotated[
        str | None, typer.Option(help="For `edit` and `skip`: JSON, or @FILE with JSON.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Pause a run, show where it stopped, change a value, continue it, or end it.

    `finish` ends it with the output of its last step, which is scored; `cancel` ends it without a score. An
    experiment takes `state`, `pause` (running trials end, no more are started), `continue` and `cancel`.
    """
    from engine.config_sources import store_path
    from tui.headless.attach import control as carry_out

    args = {"how": how} if action == "step" else {}
    carry_out(store_path(), run_id, action, args, at or [], value, as_json=json)


@app.command(hidden=True)
def engine(
    store: Annotated[Path, typer.Option(help="The store to record runs in.")],
    ready_fd: Annotated[
        int | None, typer.Option(help="File descriptor to write to once it is ready.")
    ] = None,
) -> None:
    """Run an engine process: carry out requests from a socket until idle for a minute."""
    import asyncio

    from engine.config import load
    from tui.service.engine_process.process import Engine
    from tui.service.runtime import Runtime

    settings = load()
    asyncio.run(Engine(Runtime(settings.model_copy(update={"store": store}))).serve(ready_fd))
