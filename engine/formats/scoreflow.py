"""ScoreFlow: `async def run_workflow(self)`, the problem bound in `__init__`, operators that return text.

Its file header imports `operator` and `create`; its runner may append a `__call__` that puts a time
limit around `run_workflow`. Prompts are literals in the calls.
"""

from __future__ import annotations

import ast

from engine.diagnostics import Diagnostic, warning
from engine.formats.format import Format, class_methods

FIELDS = ("prompt", "question", "problem", "context", "entry_point", "task_id", "id")


def detects(tree: ast.Module) -> bool:
    """Whether the class Workflow has a `run_workflow`."""
    return "run_workflow" in class_methods(tree)


def notes(tree: ast.Module) -> list[Diagnostic]:
    """Warnings for fields of `self.problem` that are not there: in ScoreFlow it is a benchmark's record, and
    here it has only the fields that all benchmarks have.
    """
    looks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "problem"
        and node.slice.value not in FIELDS
    ]
    return [
        warning(
            "problem-record",
            f"self.problem has no {node.slice.value!r}",  # type: ignore[attr-defined]
            node.lineno,
            f"It has {', '.join(FIELDS)}",
        )
        for node in looks
    ]


SCOREFLOW = Format(
    name="scoreflow",
    title="ScoreFlow",
    detects=detects,
    entry="run_workflow",
    call_parameters=(),
    init_parameters=("config", "problem", "llm_config", "name", "dataset"),
    attributes=frozenset({"config", "problem"}),
    sets=("scoreflow",),
    shim="engine.guest.scoreflow",
    notes=notes,
)
