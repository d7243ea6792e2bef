"""Commands that start jobs: training a model, and serving one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)

On = Annotated[str, typer.Option(metavar="HOST", help="This machine, or a host of the config file.")]
GPUs = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="The GPUs to take, as in 0,1; the job waits until they are free."),
]


@app.command("serve-model")
def serve_model(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A checkpoint, job:ID[@STEP]; a folder; a hub's ID."),
    ],
    name: Annotated[str | None, typer.Option(help="The endpoint's and the model's name.")] = None,
    on: On = "local",
    gpus: GPUs = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The port that it answers at.")] = 8000,
    json: JsonFlag = False,
) -> None:
    """Serve a model with vLLM, a job; wait until it answers, and add it to the config file's endpoints.

    From a host, its port is forwarded for as long as this command runs; run it again to forward it again.
    Exit code: 0 it answers; 2 wrong usage, or vLLM is missing; 3 its job ended; 130 interrupted.
    """
    from engine.config import load
    from tui.headless.serve import serve
    from tui.service.jobs.launch import gpu_numbers

    numbers = gpu_numbers(gpus) if gpus is not None else None
    code = serve(load(), model, name=name or "", on=on, gpus=numbers, port=port, as_json=json)
    raise typer.Exit(code)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A preset's name, or a TOML file.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: optimizer.learning_rate=1e-5."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The data set's folder; see `dataset build`.")] = None,
    name: Annotated[str | None, typer.Option(help="The job's name; by default the recipe's.")] = None,
    on: On = "local",
    gpus: GPUs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the recipe, the command, and what it would take.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Print its progress until it ends.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Follow it, and print where the time of its steps went.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Train a model as a recipe says: a job, which goes on when this command and the terminal are gone.

    Exit code: 0 started or, when followed, done; 1 it failed; 2 wrong usage; 3 it was stopped or lost, or its
    host cannot be used; 130 this command was interrupted, and the job goes on.
    """
    from engine.config import load
    from tui.headless.train import dry_run as only_tell
    from tui.headless.train import train as carry_out
    from tui.service.jobs.launch import Launch, changes, gpu_numbers

    launch = Launch(
        recipe=recipe,
        changes=changes(change or []),
        data=str(data) if data is not None else "",
        name=name or "",
        host=on,
        gpus=gpu_numbers(gpus) if gpus is not None else None,
    )
    if dry_run:
        raise typer.Exit(only_tell(load(), launch, as_json=json))
    raise typer.Exit(carry_out(load(), launch, follow=follow, profile=profile, as_json=json))
