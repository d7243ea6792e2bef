"""Commands that bring in what other tools made, and write what other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)
import_app = typer.Typer(
    help="Import AFlow workspaces, and bundles of other workbenches.", rich_markup_mode=None
)
app.add_typer(import_app, name="import", no_args_is_help=True)


@import_app.command("aflow")
def import_aflow(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="AFlow's workspace, or a dataset's folder in it.")
    ],
    json: JsonFlag = False,
) -> None:
    """Record the searches of an AFlow workspace as runs; nothing in it is executed."""
    from engine.config_sources import store_path
    from tui.sharing.import_workspace import import_aflow as record

    record(folder, store_path(), as_json=json)


@import_app.command("bundle")
def import_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export --format bundle` wrote.")],
    json: JsonFlag = False,
) -> None:
    """Import the runs of another workbench's bundle; runs that are already stored are not changed."""
    from engine.config import load
    from tui.sharing.export_runs import print_import

    print_import(load(), file, as_json=json)


@app.command("export")
def export_runs(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids of runs, the start of an id, or `last`."),
    ] = None,
    format: Annotated[
        Literal["bundle", "jsonl", "markdown", "html", "otlp", "parquet", "hf"],
        typer.Option(help="What to write; see docs/sharing.md."),
    ] = "bundle",
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="All runs of an experiment, and the experiment itself.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="WORDS", help="All runs that `runs --search WORDS` finds.")
    ] = None,
    training_set: Annotated[
        str | None, typer.Option(metavar="NAME", help="All runs in this training set.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write. Default: a file in this folder, named after the runs; - is standard output."
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="For otlp: where spans go, as in http://localhost:4318.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that already exist.")] = False,
    json: JsonFlag = False,
) -> None:
    """Write runs to share or to train on. Keys, home paths and environment variables are removed."""
    from engine.config import load
    from tui.sharing.export_runs import Wanted, print_export
    from tui.sharing.export_runs import export_runs as write

    wanted = Wanted(tuple(runs or ()), experiment, search, training_set)
    exported = write(load(), wanted, format, out=out, endpoint=endpoint, force=force)
    print_export(exported, as_json=json)


@app.command("export-workflow")
def export_workflow(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|WORKFLOW", help="A run's id or the start of one, `last`, or a workflow's id."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write `round_1` into.")],
    layout: Annotated[Literal["aflow"], typer.Option(help="Layout of the files.")] = "aflow",
    dataset: Annotated[
        str | None, typer.Option(help="AFlow dataset to run it on. Default: the run's, or HumanEval.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Write a workflow as files that run in AFlow, and list what differs there."""
    from engine.config_sources import store_path
    from tui.sharing.export_workflow import export_workflow as write

    write(store_path(), name, out, dataset=dataset, as_json=json)


@app.command("export-pairs")
def export_pairs(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="The experiment whose search drew the pairs.")
    ],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    variant: Annotated[
        str | None, typer.Option(metavar="SPEC", help="The variant, if several drew pairs.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Write the preference pairs that ScoreFlow's search drew, as JSONL to train on."""
    from engine.config_sources import store_path
    from tui.sharing.export_workflow import export_pairs as write

    write(store_path(), experiment, out, label=variant, as_json=json)
