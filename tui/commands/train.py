"""Commands that start jobs: training a model, and serving one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)

On = Annotated[str, typer.Option(metavar="HOST", help="Where it runs: local, or a host of the config file.")]
GPUs = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="The GPUs to use, such as 0,1; the job waits until they are free."),
]


@app.command("serve-model")
def serve_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A checkpoint (job:ID or job:ID@STEP), a folder, or an id on the hub."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the endpoint and of the model.")] = None,
    on: On = "local",
    gpus: GPUs = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The server's port.")] = 8000,
    json: JsonFlag = False,
) -> None:
    """Serve a model with vLLM as a job, wait until it answers, and add it to the config file.

    With --on HOST, the server's port is forwarded for as long as this command runs; run it again to forward
    it again.
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
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a TOML file.")],
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the recipe, as in optimizer.learning_rate=1e-5; repeatable.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The data set's folder; see `dataset build`.")] = None,
    name: Annotated[str | None, typer.Option(help="The job's name. Default: the recipe's.")] = None,
    on: On = "local",
    gpus: GPUs = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only print the recipe, the command, and an estimate of what it needs."
        ),
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Print the job's progress until it ends.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Follow the job, and print where the time of its steps went.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Train a model with a recipe, as a job that continues without this command and its terminal.

    Exit code: 0 started or, when followed, done; 1 it failed; 2 wrong usage; 3 it was stopped or lost, or its
    host cannot be used; 130 this command was interrupted; the job continues.
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
