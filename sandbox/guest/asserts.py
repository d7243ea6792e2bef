"""Asserts that say what they got: each one is rewritten to keep the value it was about.

`assert f(3) == 6` fails with the message `f(3) == 6  # got 5`. The names the rewriting adds are not
identifiers, so no source can read or bind them.
"""

from __future__ import annotations

import ast
import reprlib
from typing import Any

EXPLAIN = "@explain"
_KEPT = "@kept"
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_asserted: list[ast.expr] = []  # what each rewritten assert tested, made into text only where it failed
_MAX_SOURCE = 300
_MAX_VALUE = 200
_MAX_MESSAGE = 4000


def rewrite(tree: ast.Module) -> ast.Module:
    """`tree` with its asserts rewritten, in place; its namespace must bind `EXPLAIN` to `explain`."""
    left: list[Any] = [tree]
    while left:  # statements only: there is no assert inside an expression
        node = left.pop()
        if type(node) is ast.Assert:
            _explained(node)
        for field in _BLOCKS:
            left += getattr(node, field, ())
    return tree


def explain(number: int, value: object, message: object = None) -> str:
    """What a failed assert says: its source, the value it was about, the author's message."""
    source = ast.unparse(_asserted[number])
    if len(source) > _MAX_SOURCE:
        source = source[: _MAX_SOURCE - 1] + "…"
    text = f"{source}  # got {short(value)}"
    return text if message is None else f"{text} ({str(message)[:_MAX_VALUE]})"


def forget() -> None:
    """Drop what was rewritten so far; its messages cannot be made any more."""
    _asserted.clear()


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


def _explained(node: ast.Assert) -> None:
    """Keep what the test is about under a name while it is tested, and put it into the message.

    The nodes get their places here: `ast.fix_missing_locations` would visit the whole tree for them.
    """
    test = node.test
    where = {
        "lineno": test.lineno,
        "col_offset": test.col_offset,
        "end_lineno": test.end_lineno,
        "end_col_offset": test.end_col_offset,
    }
    number = ast.Constant(len(_asserted), **where)

    def kept(value: ast.expr) -> ast.NamedExpr:
        return ast.NamedExpr(ast.Name(_KEPT, ast.Store(), **where), value, **where)

    _asserted.append(test)
    if not isinstance(test, ast.Compare) or len(test.ops) > 1:
        node.test = kept(test)
    elif isinstance(test.left, ast.Constant):
        node.test = ast.Compare(test.left, test.ops, [kept(test.comparators[0])], **where)
    else:
        node.test = ast.Compare(kept(test.left), test.ops, test.comparators, **where)
    arguments: list[ast.expr] = [number, ast.Name(_KEPT, ast.Load(), **where)]
    if node.msg is not None:
        arguments.append(node.msg)
    node.msg = ast.Call(ast.Name(EXPLAIN, ast.Load(), **where), arguments, [], **where)


def result(status: str, reason: str | None = None, message: str = "") -> dict[str, Any]:
    """One test's result as the runner expects it."""
    return {"status": status, "reason": reason, "message": message[:_MAX_MESSAGE]}
