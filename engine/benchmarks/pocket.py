"""Pocket: held-out queries of the embedded models' small language, shipped with the package."""

from __future__ import annotations

from importlib.resources import as_file, files

from engine.benchmarks.files import load_problems
from engine.problems import Problem, parse_problem, unique
from engine.records import Record

EXAMPLE_ID = "example"  # the query the workbench opens on
FILES = ("pocket.jsonl",)
HUB = None


def problems(records: list[Record], name: str) -> list[Problem]:
    """Records in this project's own format as problems. Raises ProblemError where one is malformed or two
    share an id.
    """
    return unique(parse_problem(record, where) for record, where in records)


def shipped() -> list[Problem]:
    """The problems that come with this package."""
    with as_file(files("engine.benchmarks") / "pocket.jsonl") as path:
        return load_problems(path)
