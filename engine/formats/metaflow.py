"""MetaFlow: ScoreFlow's class and method, with the problem as a plain text and operators that take an
instruction and a context. Its replies have one Python fence, after the thinking.
"""

from __future__ import annotations

import ast

from engine.formats.format import Format, class_methods
from engine.operators.metaflow_sets import METAFLOW_SETS

# Operators that ScoreFlow does not have.
_OWN = frozenset(spec.name for chosen in METAFLOW_SETS for spec in chosen.operators) - {"Programmer"}


def detects(tree: ast.Module) -> bool:
    """Whether there is a `run_workflow`, and `self.problem_text` or an operator that only MetaFlow has
    is used.
    """
    if "run_workflow" not in class_methods(tree):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "problem_text":
                return True
            if node.attr in _OWN and isinstance(node.value, ast.Name) and node.value.id == "operator":
                return True
    return False


METAFLOW = Format(
    name="metaflow",
    title="MetaFlow",
    detects=detects,
    entry="run_workflow",
    call_parameters=(),
    init_parameters=("config", "problem"),
    names=frozenset({"asyncio", "json", "math", "re", "Any", "Dict", "List", "Optional", "Tuple", "Union"}),
    attributes=frozenset({"config", "problem_text"}),
    sets=tuple(chosen.name for chosen in METAFLOW_SETS),
    shim="engine.guest.metaflow",
    fenced=True,
)
