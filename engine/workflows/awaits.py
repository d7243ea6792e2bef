"""Operator calls whose coroutine nobody awaits.

A call need not stand under `await` itself: it may be gathered, wrapped in a task, or collected in a
list for later. Only what certainly is a mistake is reported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Literal

from engine.formats.findings import Diagnostic, error
from engine.workflows.operators import Operators
from engine.workflows.tree import FunctionNode

Fate = Literal["awaited", "collected", "lost"]
Parents = Mapping[ast.AST, ast.AST]

_CONTAINERS = (
    ast.Starred,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.GeneratorExp,
)
_TRANSPARENT = (*_CONTAINERS, ast.IfExp, ast.BoolOp, ast.keyword, ast.NamedExpr, ast.DictComp)
_LOSING = (ast.FormattedValue, ast.Compare, ast.UnaryOp, ast.If, ast.While, ast.Expr, ast.Assert)
# Builtins that take any object and never await it.
_PASSIVE = frozenset({"str", "repr", "print", "len", "bool", "int", "float", "isinstance", "type"})
_STORING = frozenset({"append", "add", "extend", "insert"})


def missing_awaits(
    tree: ast.Module, operators: Operators, parents: Parents
) -> list[tuple[ast.Call, Diagnostic]]:
    """Operator calls that are certainly lost, each with its diagnostic, in source order."""
    lost: list[tuple[ast.Call, Diagnostic]] = []
    for node in ast.walk(tree):
        spec = operators.spec(node)
        if spec is not None and isinstance(node, ast.Call) and fate(node, parents, operators) == "lost":
            fix = f"Write await self.{ast.unparse(node.func).removeprefix('self.')}(...)"
            message = f"{ast.unparse(node.func)}(...) is not awaited"
            lost.append((node, error("missing-await", message, node.lineno, fix)))
    return sorted(lost, key=lambda item: (item[0].lineno, item[0].col_offset))


def fate(node: ast.AST, parents: Parents, operators: Operators, *, held: bool = False) -> Fate:
    """What becomes of the value of `node`, a coroutine or (`held`) a container of them."""
    child, parent = node, parents.get(node)
    while parent is not None and isinstance(parent, _TRANSPARENT):
        if isinstance(parent, ast.NamedExpr):
            return _fate_of_names([parent.target.id], parent, parents, operators, held)
        held = held or isinstance(parent, _CONTAINERS)
        child, parent = parent, parents.get(parent)
    match parent:
        case ast.Await():
            return "awaited"
        case ast.Call():
            return _fate_of_argument(child, parent, parents, operators, held)
        case ast.Subscript() | ast.Attribute():
            return "collected" if held else "lost"
        case ast.BinOp():
            return fate(parent, parents, operators, held=True) if held else "lost"
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            flat = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
            names = [t.id for t in flat if isinstance(t, ast.Name)]
            if len(names) < len(flat):
                return "collected"  # kept in an attribute or a slot: followed no further
            return _fate_of_names(names, parent, parents, operators, held)
        case ast.Return():
            function = enclosing_function(parent, parents)
            return "lost" if function is not None and function.name == "__call__" else "collected"
        case _:
            return "lost" if isinstance(parent, _LOSING) else "collected"


def enclosing_function(node: ast.AST, parents: Parents) -> FunctionNode | None:
    """The innermost `def` around `node`; a lambda in between ends the search."""
    current = parents.get(node)
    while current is not None and not isinstance(current, FunctionNode):
        if isinstance(current, ast.Lambda):
            return None
        current = parents.get(current)
    return current


def _fate_of_argument(
    child: ast.AST, call: ast.Call, parents: Parents, operators: Operators, held: bool
) -> Fate:
    if child is call.func:
        return "collected"
    if operators.spec(call) is not None:
        return "lost"  # an operator's arguments are plain data
    if isinstance(call.func, ast.Name) and call.func.id in _PASSIVE:
        return "collected" if held else "lost"
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in _STORING
        and isinstance(call.func.value, ast.Name)
    ):
        return _fate_of_names([call.func.value.id], call, parents, operators, True)
    return "collected"


def _fate_of_names(
    names: list[str], binding: ast.AST, parents: Parents, operators: Operators, held: bool
) -> Fate:
    """Lost if no use of the names can await what they hold."""
    function = enclosing_function(binding, parents)
    if function is None:
        return "collected"
    for use in ast.walk(function):
        if not (isinstance(use, ast.Name) and use.id in names and isinstance(use.ctx, ast.Load)):
            continue
        if not _use_loses(use, parents, operators, held):
            return "collected"
    return "lost"


def _use_loses(use: ast.Name, parents: Parents, operators: Operators, held: bool) -> bool:
    parent = parents.get(use)
    if isinstance(parent, ast.Attribute) and parent.attr in _STORING:
        return True  # filling the list says nothing about its members
    if isinstance(parent, ast.Subscript) and parent.value is use and held:
        return False
    if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
        return False  # renamed: followed no further
    return fate(use, parents, operators, held=held) == "lost"
