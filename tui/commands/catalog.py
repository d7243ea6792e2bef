"""Commands that list what can be named: variants, operators, benchmarks."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.commands.options import Data, JsonFlag

app = typer.Typer(rich_markup_mode=None)


@app.command()
def variants(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A variant's name, or FILE.py. Default: all variants."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the variants, or one variant's options with their defaults and where those come from."""
    from tui.reports.variants import print_variants

    print_variants(name, as_json=json)


@app.command("operators")
def operator_sets(
    name: Annotated[
        str | None, typer.Argument(metavar="SET", help="A set's name, or FILE.toml. Default: all sets.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the operator sets, or one set's operators with their signatures."""
    from tui.reports.operators import print_operators

    print_operators(name, as_json=json)


@app.command()
def benchmarks(data: Data = None, json: JsonFlag = False) -> None:
    """List the benchmarks: sizes, metrics, splits and the files of their data."""
    from engine.config import load
    from tui.headless.benchmarks import print_benchmarks

    print_benchmarks(data or load().data, as_json=json)


@app.command()
def verify(
    benchmark: Annotated[
        str, typer.Argument(metavar="BENCHMARK", help="A benchmark's name, or a JSONL file of your own.")
    ],
    data: Data = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first problems, at most this many.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Run a benchmark's reference solutions against all of its tests, and list those that fail.

    Exit code: 0 all pass, 1 some fail, 2 wrong usage, 3 the sandbox gave no verdict.
    """
    from engine.config import load
    from tui.headless.benchmarks import print_verify

    settings = load()
    raise typer.Exit(print_verify(settings, benchmark, data or settings.data, limit, as_json=json))
