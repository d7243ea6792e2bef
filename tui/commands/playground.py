"""The command that asks a step's prompt again: edited, of other models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.commands.options import JsonFlag, RunId, UnsafeLocal

app = typer.Typer(rich_markup_mode=None)


@app.command()
def playground(
    run_id: RunId,
    step: Annotated[
        str,
        typer.Option(metavar="STEP", help="A step's id, or its place in the trace: val1:3, or 3 alone."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model to ask, as a column of the grid; repeatable. Default: the step's model.",
        ),
    ] = None,
    prompt: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="An edited template of the prompt, as a row of the grid; repeatable.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="How many times to ask each cell.")] = 1,
    test: Annotated[
        bool, typer.Option("--test", help="Run each cell's answer against the visible tests.")
    ] = False,
    show: Annotated[
        Literal["template", "message"] | None,
        typer.Option(help="Ask nothing: print the template to edit, or the message that --prompt produces."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Ask nothing: write the workflow with this --prompt as a new variant."
        ),
    ] = None,
    unsafe_local: UnsafeLocal = False,
    json: JsonFlag = False,
) -> None:
    """Ask a step's prompt again: each edit of it with each model, in a grid of real calls.

    Exit code: 0 a cell answered, 1 none did, 2 wrong usage, 3 a model or the sandbox was unavailable, or
    the budget was spent, 130 interrupted.
    """
    from engine.config import load
    from engine.playground.plan import GridPlan, PromptEdit
    from engine.playground.step import PlaygroundError
    from tui.headless.playground import fill_grid, print_saved, print_template
    from tui.reports.tables import emit
    from tui.service.asked.playground import read_prompt, read_step
    from tui.service.runtime import Runtime

    settings = load()
    played = read_step(settings.store_path(), run_id, step)
    files = prompt or []
    names = [f.name for f in files]
    edits = [
        read_prompt(f, str(f) if names.count(f.name) > 1 else f.name, played.template.text) for f in files
    ]
    if show == "template":
        print_template(played, as_json=json)
        return
    if show == "message" or save is not None:
        if len(edits) > 1 or (save is not None and not edits):
            raise PlaygroundError("give exactly one --prompt FILE")
        text = (edits[0].text if edits else None) or played.template.text
        if save is not None:
            print_saved(played, text, save, as_json=json)
        else:
            message = played.template.fill(text)
            emit({"message": message}, message.encode("utf-8", "replace").decode(), json)
        return
    plan = GridPlan(
        played.record.run_id,
        played.step.id,
        tuple(model or [played.call.model]),
        (PromptEdit("recorded"), *edits),
        repeats,
        test,
    )
    raise typer.Exit(fill_grid(Runtime(settings, unsafe_local=unsafe_local), played, plan, as_json=json))
