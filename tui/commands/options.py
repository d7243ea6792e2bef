"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
