"""Asserts that say what they got: each one is rewritten to keep the value it was about.

`assert f(3) == 6` fails with the message `f(3) == 6  # got 5`. The names the rewriting adds are not
identifiers, so no source can read or bind them.
"""

from __future__ import annotations

import ast
import reprlib
from typing import Any

EXPLAIN = "@explain"
_MAX_SOURCE = 300
_MAX_VALUE = 200


def rewrite(tree: ast.Module) -> ast.Module:
    """`tree` with its asserts rewritten; its namespace must bind `EXPLAIN` to `explain`."""
    return ast.fix_missing_locations(_Rewriter().visit(tree))


def explain(source: str, value: object, message: object = None) -> AssertionError:
    """The error of a failed assert: its source, the value it was about, the author's message."""
    text = f"{source}  # got {short(value)}"
    return AssertionError(text if message is None else f"{text} ({str(message)[:_MAX_VALUE]})")


def short(value: object) -> str:
    """`repr(value)`, bounded in time and length."""
    try:
        text = _Repr().repr(value)
    except Exception:  # a __repr__ of the program under test, in-process only
        return f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxdict = 40
        self.maxstring = self.maxother = _MAX_VALUE
        self.maxlong = 100

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() < 400 else f"<an integer of {x.bit_length()} bits>"


class _Rewriter(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        source = ast.unparse(node.test)
        if len(source) > _MAX_SOURCE:
            source = source[: _MAX_SOURCE - 1] + "…"
        keep, subject, test = _split(node.test)
        arguments: list[ast.expr] = [ast.Constant(source), subject]
        if node.msg is not None:
            arguments.append(node.msg)
        error = ast.Call(_name(EXPLAIN), arguments, [])
        branch = ast.If(ast.UnaryOp(ast.Not(), test), [ast.Raise(error, None)], [])
        return [ast.copy_location(statement, node) for statement in (*keep, branch)]


def _split(test: ast.expr) -> tuple[list[ast.stmt], ast.expr, ast.expr]:
    """Statements that keep the parts, the part to show on failure, and the test over the kept parts."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        keep: list[ast.stmt] = [_keep("@left", left), _keep("@right", right)]
        shown = "@right" if isinstance(left, ast.Constant) else "@left"
        return keep, _name(shown), ast.Compare(_name("@left"), test.ops, [_name("@right")])
    return [_keep("@left", test)], _name("@left"), _name("@left")


def _keep(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def result(status: str, reason: str | None = None, message: str = "") -> dict[str, Any]:
    """One test's result as the runner expects it."""
    return {"status": status, "reason": reason, "message": message}
