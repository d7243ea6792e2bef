"""Where the paths through `__call__` end: with an answer, with None, or not at all."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.diagnostics import Diagnostic, error, warning
from engine.workflows.structure import nested_call
from engine.workflows.tree import FunctionNode, walk_scope


def check_returns(call: FunctionNode) -> list[Diagnostic]:
    """Diagnostics of paths without an answer: an error where no path has one, else a warning, because such a
    path may never be taken.
    """
    if nested_call(call):
        return []  # reported as such
    returns = [node for node in walk_scope(call) if isinstance(node, ast.Return)]
    found = [
        error("endless-loop", "this loop never ends", loop.lineno, "Bound it, or break or return in it")
        for loop in walk_scope(call)
        if isinstance(loop, ast.While) and _is_true(loop.test) and not _leaves(loop)
    ]
    if not any(_has_value(node) for node in returns):
        if not found and not _only_raises(call):
            found.append(
                error("no-return", f"{call.name} never returns an answer", call.lineno, "Return a string")
            )
        return found
    for node in returns:
        if not _has_value(node):
            found.append(
                warning("returns-none", f"{call.name} returns None here", node.lineno, "Return a string")
            )
    if falls_through(call.body):
        last = call.body[-1]
        fix = "Return the last solution at the end"
        found.append(warning("may-return-none", f"{call.name} can end without a return", last.lineno, fix))
    return found


def falls_through(body: Sequence[ast.stmt]) -> bool:
    """Whether control can reach the end of `body`."""
    return all(_passes(statement) for statement in body)


def _passes(node: ast.stmt) -> bool:
    match node:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return False
        case ast.If():
            return falls_through(node.body) or falls_through(node.orelse)
        case ast.While() if _is_true(node.test):
            return _breaks(node)
        case ast.While() | ast.For() | ast.AsyncFor():
            return falls_through(node.orelse) or _breaks(node)
        case ast.With() | ast.AsyncWith():
            return falls_through(node.body)
        case ast.Try() | ast.TryStar():
            normal = falls_through(node.body) and falls_through(node.orelse)
            handled = any(falls_through(h.body) for h in node.handlers)
            return (normal or handled) and falls_through(node.finalbody)
        case ast.Match():
            total = any(_catches_all(case) for case in node.cases)
            return not total or any(falls_through(case.body) for case in node.cases)
        case _:
            return True


def _breaks(loop: ast.While | ast.For | ast.AsyncFor) -> bool:
    return any(_breaks_out(statement) for statement in loop.body)


def _breaks_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Break):
        return True
    if isinstance(node, ast.While | ast.For | ast.AsyncFor):  # its own breaks stay in it; its else is outside
        return any(_breaks_out(child) for child in node.orelse)
    if isinstance(node, FunctionNode | ast.ClassDef | ast.expr):
        return False
    return any(_breaks_out(child) for child in ast.iter_child_nodes(node))


def _leaves(loop: ast.While) -> bool:
    return _breaks(loop) or any(isinstance(node, ast.Return | ast.Raise) for node in walk_scope(loop))


def _only_raises(call: FunctionNode) -> bool:
    """A `__call__` that raises on every path fails on purpose and says why itself."""
    return not falls_through(call.body) and not any(isinstance(n, ast.Return) for n in walk_scope(call))


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _has_value(node: ast.Return) -> bool:
    return node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None)


def _catches_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
