"""Pocket: held-out queries of the embedded models' small language, shipped with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from engine.problems import Problem, load_problems

EXAMPLE_ID = "example"  # the query the workbench opens on


def load(data: Path | None = None) -> list[Problem]:
    """The shipped problems, or those of the file `data` in the same format. Raises ProblemError."""
    if data is not None and data.is_file():
        return load_problems(data)
    with as_file(files("engine.benchmarks") / "pocket.jsonl") as path:
        return load_problems(path)
