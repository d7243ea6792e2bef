"""Commands about data sets to train the meta-agent on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.commands.options import JsonFlag

app = typer.Typer(rich_markup_mode=None)
dataset_app = typer.Typer(help="Data sets to train on, built from stored runs.", rich_markup_mode=None)
app.add_typer(dataset_app, name="dataset", no_args_is_help=True)


@dataset_app.command("build")
def build(
    kind: Annotated[
        Literal["sft", "grpo", "dpo", "repair"],
        typer.Argument(metavar="KIND", help="sft, grpo, dpo or repair; see docs/datasets.md."),
    ],
    wanted: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="WHAT",
            help="An experiment, a training set, or what `runs --search` finds; '' is every run.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    form: Annotated[
        Literal["rounds", "trace"], typer.Option(help="sft: a row for each round, or for each run.")
    ] = "rounds",
    keep: Annotated[
        Literal["all", "best", "monotone"],
        typer.Option(help="sft: all rounds of a run, the best, or each that improves on all before it."),
    ] = "all",
    solved: Annotated[
        bool, typer.Option("--solved", help="sft: only runs in which a round passed all val tests.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Only workflows that ran as written, without repair.")
    ] = False,
    duplicates: Annotated[
        bool,
        typer.Option("--duplicates", help="Keep workflows that differ only in names, prompts and numbers."),
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="BENCHMARK[:SPLIT]", help="Leave out this benchmark's problems; repeatable."),
    ] = None,
    ngram: Annotated[
        int, typer.Option(min=3, max=100, help="Shared words in a row that count as an --against problem.")
    ] = 13,
    data: Annotated[
        Path | None, typer.Option(help="Local data of the --against benchmark: a file or folder.")
    ] = None,
    pairs: Annotated[
        int,
        typer.Option(
            min=0,
            help="dpo: pairs to draw, with probability proportional to (s_w - s_l)^3; 0: every pair once.",
        ),
    ] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="dpo: seed of the draw.")] = 0,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Count tokens with the tokenizer of this model.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Leave out rows with more tokens than this.")
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Also upload it to the hub, as a private data set."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the data set in DIR.")] = False,
    json: JsonFlag = False,
) -> None:
    """Build a data set from stored runs: rows for `datasets`, a card, and a report of what was left out."""
    from engine.config import load
    from training.data import BuildOptions
    from tui.reports.datasets import end_telling, print_built, tell
    from tui.service.datasets import DatasetRequest, build_dataset

    options = BuildOptions(
        form=form,
        keep=keep,
        solved=solved,
        strict=strict,
        duplicates=duplicates,
        against=tuple(against or ()),
        ngram=ngram,
        data=data,
        pairs=pairs,
        seed=seed,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
    )
    telling = sys.stderr.isatty()
    try:
        request = DatasetRequest(kind, wanted, out, options, force)
        report = build_dataset(load(), request, tell if telling else None)
    finally:
        if telling:
            end_telling()
    pushed = None
    if push is not None:
        from training.data.hub import push as push_to_hub

        pushed = push_to_hub(out, push)
    print_built(report.to_json(), str(out), pushed, as_json=json)


@dataset_app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `dataset build` wrote.")],
    json: JsonFlag = False,
) -> None:
    """Show what a data set holds, what was left out, and its first row."""
    from tui.reports.datasets import print_dataset
    from tui.service.datasets import read_dataset

    print_dataset(read_dataset(folder), as_json=json)
