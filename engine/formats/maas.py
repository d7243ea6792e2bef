"""MaAS: a hand-written graph whose operators are chosen, layer by layer, by a trained controller.

`__init__` takes `controller` and `operator_embeddings`, `__call__` takes `log_path` and returns
(answer, cost, log probability). A file comes without its controller, so one that was never trained stands in
(`engine.guest.maas`). A warning says so, since the score is not MaAS's then.
"""

from __future__ import annotations

import ast

from engine.diagnostics import Diagnostic, warning
from engine.formats.format import Format, class_methods, parameter_names
from engine.operators.specs import RUN_INPUTS

NAMES = frozenset({"torch", "operator_mapping", "operator_names"})


def detects(tree: ast.Module) -> bool:
    """Whether the class takes a controller or operator embeddings, or its `__call__` a log path."""
    methods = class_methods(tree)
    made = parameter_names(methods["__init__"]) if "__init__" in methods else []
    called = parameter_names(methods["__call__"]) if "__call__" in methods else []
    return "controller" in made or "operator_embeddings" in made or "log_path" in called


def notes(tree: ast.Module) -> list[Diagnostic]:
    """A warning where the graph calls its controller, for which an untrained one stands in."""
    asked = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and (
            n.func.attr == "controller"
            or (isinstance(n.func.value, ast.Attribute) and n.func.value.attr == "controller")
        )
    ]
    if not asked:
        return []
    message = "the graph asks its controller which operators to run; an untrained one stands in"
    fix = "Its score is not that of a trained MaAS: for that, run the variant maas"
    return [warning("untrained-controller", message, min(n.lineno for n in asked), fix)]


MAAS = Format(
    name="maas",
    title="MaAS",
    detects=detects,
    call_parameters=(*RUN_INPUTS, "log_path"),
    init_parameters=("name", "llm_config", "dataset", "controller", "operator_embeddings"),
    names=NAMES,
    sets=("maas-graph", "maas-math-graph"),
    separator="",
    shim="engine.guest.maas",
    notes=notes,
)
