"""ADAS: one function `forward(self, taskInfo)` over `LLMAgentBase` agents and `Info` tuples.

An agent call is a step of the operator `custom`: its role and its output format are the step's instruction,
the infos and then the instruction its input, its temperature the step's. ADAS puts such functions on a
class with exec; here they run in the sandbox (`engine.guest.adas`).
"""

from __future__ import annotations

import ast

from engine.diagnostics import Diagnostic, error
from engine.formats.format import Format, Function, class_methods, parameter_names

# What the search scripts have in scope when they execute such a function.
NAMES = frozenset(
    {"Info", "LLMAgentBase", "FORMAT_INST", "ROLE_DESC", "SYSTEM_MSG", "random_id", "namedtuple"}
    | {"json", "copy", "random", "np", "Counter", "Union"}
)
CLASSES = ("AgentSystem", "AgentArchitecture")


def forward_function(tree: ast.Module) -> Function | None:
    """`forward`, at module level or in ADAS's class; None where there is none."""
    functions = [n for n in tree.body if isinstance(n, Function) and n.name == "forward"]
    if functions:
        return functions[-1]
    return next((m["forward"] for c in CLASSES if "forward" in (m := class_methods(tree, c))), None)


def detects(tree: ast.Module) -> bool:
    """Whether the module has a `forward` of two parameters and no class Workflow."""
    if class_methods(tree):
        return False
    function = forward_function(tree)
    return function is not None and len(parameter_names(function)) == 2


def notes(tree: ast.Module) -> list[Diagnostic]:
    """Errors for helpers on `self` that only ADAS's ARC task has, which hold its examples."""
    function = forward_function(tree)
    if function is None:
        return []
    own = parameter_names(function)[0]
    assigned = {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load)
    }
    return [
        error(
            "task-helper",
            f"{own}.{n.attr} belongs to one of ADAS's tasks and is not there",
            n.lineno,
            "Use taskInfo and LLMAgentBase only",
        )
        for n in ast.walk(function)
        if isinstance(n, ast.Attribute)
        and isinstance(n.value, ast.Name)
        and n.value.id == own
        and isinstance(n.ctx, ast.Load)
        and n.attr not in assigned
        and not n.attr.startswith("__")
    ]


def agent_names(tree: ast.Module) -> set[str]:
    """Names that hold an agent, a collection of agents, or in turn the agents of one."""
    made = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _makes_agents(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    loops = (n for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension))
    return made | {name for loop in loops for name in _turns(loop, made)}


def _turns(loop: ast.For | ast.comprehension, made: set[str]) -> list[str]:
    """The name that a loop over agents gives each of them."""
    match _without_values(loop.iter), loop.target:
        case ast.Name(id=agents), ast.Name(id=agent) if agents in made:
            return [agent]
        case (
            ast.Call(func=ast.Name(id="enumerate"), args=[agents, *_]),
            ast.Tuple(elts=[_, ast.Name(id=agent)]),
        ) if getattr(_without_values(agents), "id", None) in made:
            return [agent]
        case (
            ast.Call(func=ast.Attribute(value=ast.Name(id=agents), attr="items")),
            ast.Tuple(elts=[_, ast.Name(id=agent)]),
        ) if agents in made:
            return [agent]
        case _:
            return []


def _without_values(collection: ast.expr) -> ast.expr:
    """`agents` of `agents.values()`."""
    match collection:
        case ast.Call(func=ast.Attribute(value=value, attr="values"), args=[]):
            return value
        case _:
            return collection


def _makes_agents(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id="LLMAgentBase")):
            return True
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return bool(items) and all(_makes_agents(i) for i in items)
        case ast.Dict(values=items):
            return bool(items) and all(_makes_agents(i) for i in items)
        case ast.ListComp(elt=item) | ast.DictComp(value=item):
            return _makes_agents(item)
        case _:
            return False


ADAS = Format(
    name="adas",
    title="ADAS",
    detects=detects,
    entry="forward",
    names=NAMES,
    agents=True,
    shim="engine.guest.adas",
    notes=notes,
)
