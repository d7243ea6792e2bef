"""Operators that are called by what holds them: which ones these are, only running the workflow tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.workflows.tree import self_attribute

MAX_PASSES = 10  # names are handed on from line to line; each pass follows one step


def held_names(tree: ast.Module) -> set[str]:
    """The names of variables that may hold an operator: those assigned, or looped over, from something of
    `self` that is not called there.
    """
    bindings = list(_bindings(tree))
    held: set[str] = set()
    for _ in range(MAX_PASSES):
        more = {
            n.id
            for targets, value in bindings
            if _holds(value, held)
            for target in targets
            for n in ast.walk(target)
            if isinstance(n, ast.Name)
        }
        if more <= held:
            break
        held |= more
    return held


def calls_what_is_held(function: ast.expr, held: set[str]) -> bool:
    """Whether a call of `function` calls what a variable of `held`, a collection or `getattr` holds."""
    return not isinstance(function, ast.Attribute) and _holds(function, held)


def _bindings(tree: ast.Module) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield targets, value
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield [target], value
            case ast.NamedExpr(target=target, value=value):
                yield [target], value


def _holds(value: ast.expr, held: set[str]) -> bool:
    """Whether an operator may come out of this expression without being called in it."""
    match value:
        case ast.Attribute():
            return self_attribute(value) is not None
        case ast.Name(id=name):
            return name in held
        case ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _holds(inner, held)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items) | ast.BoolOp(values=items):
            return any(_holds(item, held) for item in items)
        case ast.Dict(values=items):
            return any(_holds(item, held) for item in items)
        case ast.IfExp(body=body, orelse=orelse):
            return _holds(body, held) or _holds(orelse, held)
        case ast.ListComp(elt=item) | ast.DictComp(value=item):
            return _holds(item, held)
        case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id="self"), *_]):
            return True
        case ast.Call(func=ast.Attribute(value=inner, attr="get" | "values" | "items" | "pop")):
            return _holds(inner, held)
        case ast.Call(func=ast.Name(id="enumerate" | "zip" | "list" | "reversed" | "sorted"), args=items):
            return any(_holds(item, held) for item in items)
        case _:
            return False
