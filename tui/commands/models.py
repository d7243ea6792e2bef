"""Commands for models: which there are, getting one, removing one."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)
models_app = typer.Typer(
    help="List the models you can name and those you can pull; get one, remove one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")


@models_app.callback()
def default(context: typer.Context, json: JsonFlag = False) -> None:
    """List the models you can name and those you can pull; get one, remove one."""
    if context.invoked_subcommand is None:
        from engine.config import load
        from tui.headless.models import print_models

        print_models(load(), as_json=json)


@models_app.command("pull")
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A name of the catalogue, or a model of the hub as in Qwen/Qwen3-0.6B."
        ),
    ],
    place: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="A folder, a GGUF file or the URL of one, instead of the hub; NAME may then be your own.",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Get a model, so that its name can be used everywhere. What was interrupted goes on where it ended.

    HF_ENDPOINT names a mirror of the hub. Exit code: 0 it is there, 2 there is no such model, 3 it could not
    be brought.
    """
    from engine.config import load
    from tui.headless.models import pull_model

    pull_model(load(), name, place, as_json=json)


@models_app.command("rm")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a pulled model.")],
    json: JsonFlag = False,
) -> None:
    """Remove a pulled model from this machine."""
    from engine.config import load
    from tui.headless.models import remove_model

    remove_model(load(), name, as_json=json)
