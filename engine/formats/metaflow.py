"""MetaFlow: ScoreFlow's class and method, with the problem as a plain text and operators that take an
instruction and a context. Its replies have one Python fence, after the thinking.
"""

from __future__ import annotations

import ast

from engine.formats.format import Format, class_methods
from engine.operators.metaflow_sets import METAFLOW_SETS

# Operators that ScoreFlow does not have, by class and by attribute.
_SPECS = {spec for chosen in METAFLOW_SETS for spec in chosen.operators if spec.name != "Programmer"}
_OWN = frozenset(spec.name for spec in _SPECS)
_CALLED = frozenset(name for spec in _SPECS for name in (spec.attribute, *spec.also))


def detects(tree: ast.Module) -> bool:
    """Whether there is a `run_workflow`, and `self.problem_text` or an operator that only MetaFlow has
    is used, without a constructor also as an attribute.
    """
    methods = class_methods(tree)
    if "run_workflow" not in methods:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "problem_text":
                return True
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in _OWN and owner == "operator":
                return True
            if node.attr in _CALLED and owner == "self" and "__init__" not in methods:
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
