"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
MetaAgent = Annotated[str | None, typer.Option(help="Model that writes workflows; see `models`.")]
Worker = Annotated[str | None, typer.Option(help="Model that operators call; see `models`.")]
Data = Annotated[Path | None, typer.Option(help="Local data file of the benchmark.")]
UnsafeLocal = Annotated[
    bool,
    typer.Option("--unsafe-local", help="No sandbox: generated code runs as you, with all you can reach."),
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the start of one, or `last`.")]
By = Annotated[
    Literal["signature", "label", "problem", "operator", "variant", "benchmark"],
    typer.Option(help="What to cluster by."),
]
OfCluster = Annotated[
    int, typer.Option(min=1, max=100_000, help="At most this many runs of the cluster, newest first.")
]
AtOnce = Annotated[int, typer.Option(min=1, max=1000, help="How many to run at once.")]
Unasked = Annotated[bool, typer.Option("--yes", help="Do not ask before running several.")]
