"""Commands about recorded runs: list them, print one, delete old ones."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.commands.options import JsonFlag, RunId

app = typer.Typer(rich_markup_mode=None)


@app.command()
def runs(
    failed: Annotated[bool, typer.Option("--failed", help="Only runs that did not pass.")] = False,
    search: Annotated[
        str | None,
        typer.Option(
            help="Words, and status:, variant:, benchmark:, experiment:, job:, label: or training-set: "
            "with a value, or bookmark:yes."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    json: JsonFlag = False,
) -> None:
    """List recorded runs, newest first."""
    from engine.config_sources import store_path
    from tui.reports.tables import print_runs

    path = store_path()
    if search:
        from tui.service.jobs.reading import read_named

        read_named(path, search)
    print_runs(path, failed=failed, search=search, limit=limit, as_json=json)


@app.command()
def show(
    run_id: RunId,
    json: JsonFlag = False,
) -> None:
    """Print a recorded run exactly as it was printed live."""
    from engine.config_sources import store_path
    from store.reader import Reader
    from tui.headless.run import printer

    with Reader(store_path()) as reader:
        row, shown = reader.run(run_id), printer(json)
        for event in reader.events(row.id):
            shown(event)


@app.command()
def prune(
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Delete runs older than this many days.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep only this many of the newest runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum",
            help="Shrink the file as well: it is written anew, with as much free disk again and nobody else "
            "at it. Without this it keeps its size, and new runs fill what is free.",
        ),
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Delete old runs, and data that only they used."""
    from engine.config_sources import store_path
    from tui.reports.tables import print_prune

    if older_than is None and keep is None and not vacuum:
        raise typer.BadParameter(
            "choose what to delete: --older-than DAYS, --keep N or both; or give --vacuum"
        )
    print_prune(store_path(), older_than, keep, dry_run=dry_run, vacuum=vacuum, as_json=json)
