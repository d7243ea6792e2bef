"""Operator calls whose coroutine nobody awaits.

A call need not stand under `await` itself: it may be gathered, wrapped in a task, or collected in a
list for later. Only calls that are certainly lost are reported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Literal

from engine.diagnostics import Diagnostic, error
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
    fates = _Fates(operators, parents)
    lost: list[tuple[ast.Call, Diagnostic]] = []
    if operators.agents:
        return lost  # ADAS's agents are called without await
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and operators.spec(node) and fates.of(node) == "lost":
            called = ast.unparse(node.func)
            message = f"{called}(...) is not awaited"
            lost.append((node, error("missing-await", message, node.lineno, f"Write await {called}(...)")))
    return sorted(lost, key=lambda item: (item[0].lineno, item[0].col_offset))


def enclosing_function(node: ast.AST, parents: Parents) -> FunctionNode | None:
    """The innermost `def` around `node`; a lambda in between ends the search."""
    current = parents.get(node)
    while current is not None and not isinstance(current, FunctionNode):
        if isinstance(current, ast.Lambda):
            return None
        current = parents.get(current)
    return current


class _Fates:
    """Follows coroutines through one tree; results about a name in a function are kept."""

    def __init__(self, operators: Operators, parents: Parents) -> None:
        self._operators = operators
        self._parents = parents
        self._uses: dict[FunctionNode, dict[str, list[ast.Name]]] = {}
        self._known: dict[tuple[FunctionNode, str, bool], Fate] = {}

    def of(self, node: ast.AST, *, held: bool = False) -> Fate:
        """What becomes of the value of `node`, a coroutine or (`held`) a container of them."""
        child, parent = node, self._parents.get(node)
        while parent is not None and isinstance(parent, _TRANSPARENT):
            if isinstance(parent, ast.NamedExpr):
                return self._of_names([parent.target.id], parent, held)
            held = held or isinstance(parent, _CONTAINERS)
            child, parent = parent, self._parents.get(parent)
        match parent:
            case ast.Await():
                return "awaited"
            case ast.Call():
                return self._of_argument(child, parent, held)
            case ast.Subscript() | ast.Attribute():
                return "collected" if held else "lost"
            case ast.BinOp():
                return self.of(parent, held=True) if held else "lost"
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                return self._of_assigned(parent, held)
            case ast.Return():
                function = enclosing_function(parent, self._parents)
                return "lost" if function is not None and function.name == "__call__" else "collected"
            case _:
                return "lost" if isinstance(parent, _LOSING) else "collected"

    def _of_argument(self, child: ast.AST, call: ast.Call, held: bool) -> Fate:
        if child is call.func:
            return "collected"
        if self._operators.spec(call) is not None:
            return "lost"  # an operator's arguments are plain data
        match call.func:
            case ast.Name(id=name) if name in _PASSIVE:
                return "collected" if held else "lost"
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _STORING:
                return self._of_names([name], call, True)
            case _:
                return "collected"

    def _of_assigned(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, held: bool) -> Fate:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        flat = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
        names = [t.id for t in flat if isinstance(t, ast.Name)]
        # What is kept in an attribute or a slot is followed no further.
        return self._of_names(names, node, held) if len(names) == len(flat) else "collected"

    def _of_names(self, names: list[str], binding: ast.AST, held: bool) -> Fate:
        """Lost if no use of any of the names can await what they hold."""
        function = enclosing_function(binding, self._parents)
        if function is None:
            return "collected"
        lost = all(self._of_name(function, name, held) == "lost" for name in names)
        return "lost" if lost else "collected"

    def _of_name(self, function: FunctionNode, name: str, held: bool) -> Fate:
        key = (function, name, held)
        if key not in self._known:
            if function not in self._uses:
                self._uses[function] = _reads(function)
            # Stands for itself while its uses are followed, should one lead back to it.
            self._known[key] = "lost"
            uses = self._uses[function].get(name, [])
            self._known[key] = "lost" if all(self._loses(use, held) for use in uses) else "collected"
        return self._known[key]

    def _loses(self, use: ast.Name, held: bool) -> bool:
        parent = self._parents.get(use)
        if isinstance(parent, ast.Attribute) and parent.attr in _STORING:
            return True  # filling the list says nothing about its members
        if isinstance(parent, ast.Subscript) and parent.value is use and held:
            return False
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            return False  # renamed: followed no further
        return self.of(use, held=held) == "lost"


def _reads(function: FunctionNode) -> dict[str, list[ast.Name]]:
    reads: dict[str, list[ast.Name]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            reads.setdefault(node.id, []).append(node)
    return reads
