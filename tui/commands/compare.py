"""The command that compares experiments, variants and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C D]",
            help="An experiment, EXPERIMENT:VARIANT, a run's id or the start of one, or several joined by +.",
        ),
    ],
    every: Annotated[bool, typer.Option("--all", help="Also show what does not differ.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown.")] = False,
    workflows: Annotated[
        bool,
        typer.Option(
            "--workflows", help="Also compare the ways of working: operators, and what turned verdicts."
        ),
    ] = False,
    table: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="Only the table of a paper, as markdown or latex."),
    ] = None,
    charts: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the pictures as SVG files into this folder instead."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Compare two to four experiments, variants or runs, paired by problem; the first is the baseline.

    Runs are compared step by step as well. The name of an experiment stands for each of its variants.
    """
    from engine.config_sources import store_path
    from store.compare.comparison import compare as compare_names
    from store.compare.comparison import to_json
    from store.compare.ways import read_ways
    from store.compare.ways import to_json as ways_to_json
    from store.reader import Reader
    from tui.compare.paper import paper_table
    from tui.compare.report import LISTED, text
    from tui.reports.tables import emit
    from tui.sharing.chart_svg import write_charts

    if sum((markdown, json, table is not None, charts is not None)) > 1:
        raise typer.BadParameter("choose one of --markdown, --table, --charts and --json")
    if table not in (None, "markdown", "latex"):
        raise typer.BadParameter(f"--table is markdown or latex, not {table!r}")
    with Reader(store_path()) as reader:
        comparison = compare_names(reader, names)
        most = None if every or json else LISTED
        ways = read_ways(reader, comparison, most=most) if workflows or charts else None
    if charts is not None and ways is not None:
        typer.echo("\n".join(map(str, write_charts(charts, comparison, ways))))
        return
    if table is not None:
        typer.echo(paper_table(comparison, "latex" if table == "latex" else "markdown"), nl=False)
        return
    if json:
        emit(to_json(comparison, rows=iter) | ({"ways": ways_to_json(ways)} if ways else {}), "", True)
    else:
        typer.echo(text(comparison, every=every, markdown=markdown, ways=ways), nl=False)
