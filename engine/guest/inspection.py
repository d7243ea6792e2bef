"""Looking into a workflow that was stopped: its variables, and the lines to stop at.

This runs in the same process as generated code, which can forge everything it reports. Reports are shown to a
person and never trusted.
"""

from __future__ import annotations

import ast
import types
from typing import Any

LINE_HOOK = "__at_line__"
_MAX_TEXT = 4_000
_MAX_ITEMS = 50
_MAX_DEPTH = 4
_MAX_TOTAL = 64_000
_VALUE_COSTS = 32  # characters that every value counts for: the host takes a few thousand values at most


def variables(frame: types.FrameType | None) -> dict[str, Any]:
    """The frame's local variables by name as plain data, without `self` and special names: long texts and
    collections are cut short, and other objects are shown as the name of their type.
    """
    budget = _Budget()
    names = {} if frame is None else frame.f_locals
    return {
        str(name): budget.plain(value, _MAX_DEPTH)
        for name, value in list(names.items())[:_MAX_ITEMS]
        if name != "self" and not str(name).startswith("__")
    }


class _Budget:
    """Characters left to show. Methods of the values are never called, because they are generated code."""

    def __init__(self) -> None:
        self._left = _MAX_TOTAL

    def plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._left -= _VALUE_COSTS
        if self._left <= 0:
            return "…"
        if value is None or kind in (bool, float):
            return value
        if kind is int:
            return value if value.bit_length() < 1024 else f"<int of {value.bit_length()} bits>"
        if kind is str:
            return self._text(value)
        if kind is bytes:
            return self._text(repr(value[:_MAX_TEXT]))
        if depth and kind in (list, tuple, set, frozenset):
            items = [self.plain(v, depth - 1) for v in list(value)[:_MAX_ITEMS]]
            return items + ([f"… {len(value) - _MAX_ITEMS} more"] if len(value) > _MAX_ITEMS else [])
        if depth and kind is dict:
            shown = {
                str(self.plain(k, 0)): self.plain(v, depth - 1) for k, v in list(value.items())[:_MAX_ITEMS]
            }
            return shown | ({"…": f"{len(value) - _MAX_ITEMS} more"} if len(value) > _MAX_ITEMS else {})
        return f"<{kind.__module__}.{kind.__qualname__}>"

    def _text(self, text: str) -> str:
        room = max(0, min(_MAX_TEXT, self._left))
        self._left -= min(len(text), room)
        return text if len(text) <= room else f"{text[:room]}… {len(text) - room} more characters"


def with_stops(source: str, name: str, lines: list[int]) -> types.CodeType:
    """The compiled source, with `await __at_line__(n)` before the first statement at or after each line.

    Only statements of async functions can wait. A line after the last one of its function stops nowhere.
    """
    tree = ast.parse(source, name)
    for line in dict.fromkeys(lines):
        place = _place(tree, line)
        if place is not None:
            body, index = place
            hook = ast.parse(f"await {LINE_HOOK}({body[index].lineno})", mode="eval").body
            stop = ast.copy_location(ast.Expr(hook), body[index])
            for node in ast.walk(stop):
                ast.copy_location(node, body[index])
            body.insert(index, stop)
    return compile(ast.fix_missing_locations(tree), name, "exec")


def _place(tree: ast.Module, line: int) -> tuple[list[ast.stmt], int] | None:
    """The list and index of the innermost, earliest statement at or after `line`; None where there is
    none.
    """
    best: tuple[list[ast.stmt], int] | None = None
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        end = function.end_lineno or function.lineno
        if not function.lineno <= line <= end:
            continue
        for body in _bodies(function):
            for index, statement in enumerate(body):
                if statement.lineno < line or isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    continue
                if best is None or statement.lineno <= best[0][best[1]].lineno:
                    best = (body, index)
                break
    return best


def _bodies(function: ast.AsyncFunctionDef) -> list[list[ast.stmt]]:
    """The function's statement lists, without those of functions and classes inside it."""
    bodies: list[list[ast.stmt]] = []
    pending: list[ast.AST] = [function]
    while pending:
        node = pending.pop()
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            children = getattr(node, field, None)
            if not isinstance(children, list) or not children:
                continue
            if isinstance(children[0], ast.stmt):
                bodies.append(children)
            inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
            pending += [child for child in children if not isinstance(child, inner)]
    return bodies
