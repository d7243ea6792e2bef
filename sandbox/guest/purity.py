"""Whether tests can leave nothing behind in the process that runs them.

An allow-list over their syntax trees: literals, operators, functions, loops, methods of plain values, and
those builtins that only compute. Without imports (but of `math` and `typing`), classes, decorators,
assignments to attributes, or any name or attribute that leads to the interpreter's own objects, all that
code can change are values of its own. What is not known here is not pure; it runs in a process of its own.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections import deque
from collections.abc import Iterable
from typing import Any

_STATEMENTS = """
    Module Expr Assign AugAssign AnnAssign Delete FunctionDef Return For While If Break Continue Pass Assert
    Raise Try ExceptHandler arguments arg
"""
_EXPRESSIONS = """
    Constant Name List Tuple Set Dict Subscript Slice Starred Call keyword Lambda IfExp NamedExpr Compare
    BoolOp BinOp UnaryOp ListComp SetComp DictComp GeneratorExp comprehension JoinedStr FormattedValue
"""
_NODES = frozenset(getattr(ast, name) for name in (_STATEMENTS + _EXPRESSIONS).split())
_OPERATORS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
_COMPUTE = """
    abs all any ascii bin bool bytes chr complex dict divmod enumerate filter float frozenset hash hex int
    isinstance issubclass iter len list map max min next object oct ord pow range repr reversed round set
    slice sorted str sum tuple zip True False None NotImplemented Ellipsis __name__
"""
_ERRORS = frozenset(
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)
)
_OTHER_BUILTINS = frozenset(dir(builtins)) - frozenset(_COMPUTE.split()) - _ERRORS
# `format` reads attributes, of its arguments' and theirs in turn: only to text, but it need not be argued.
_METHODS = frozenset(
    name
    for kind in (int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, deque)
    for name in dir(kind)
    if not name.startswith("_")
) - {"format", "format_map"}
_MATH = frozenset(name for name in dir(math) if not name.startswith("_"))
_ATTRIBUTES = _METHODS | _MATH
_TYPING = frozenset(
    [
        "Any",
        "Callable",
        "Dict",
        "Iterable",
        "Iterator",
        "List",
        "Mapping",
        "Optional",
        "Sequence",
        "Set",
        "Tuple",
        "Union",
    ]
)


def pure(trees: Iterable[ast.AST]) -> bool:
    """Whether all of `trees` are made of what is known to be harmless."""
    left: list[Any] = list(trees)
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, ast.AST):
            if _asks_for_type(node):
                left += node.args  # type: ignore[attr-defined]
            elif _known(node):
                left += [getattr(node, field, None) for field in node._fields]
            else:
                return False
    return True


def _known(node: ast.AST) -> bool:
    kind = type(node)
    if kind is ast.Name:
        return _name(node.id)  # type: ignore[attr-defined]
    if kind is ast.Attribute:
        known = isinstance(node.ctx, ast.Load)  # type: ignore[attr-defined]
        return known and node.attr in _ATTRIBUTES  # type: ignore[attr-defined]
    if isinstance(node, ast.Import):
        return all(alias.name == "math" and _name(alias.asname or "") for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        wanted = {"math": _MATH, "typing": _TYPING}.get(node.module or "", frozenset())
        return not node.level and all(a.name in wanted and _name(a.asname or "") for a in node.names)
    if kind is ast.alias:
        return True
    if isinstance(node, ast.FunctionDef):
        return not node.decorator_list and _name(node.name)
    if isinstance(node, ast.arg):
        return _name(node.arg)
    if isinstance(node, ast.ExceptHandler):
        return _name(node.name or "")
    return kind in _NODES or isinstance(node, _OPERATORS)


def _name(name: str) -> bool:
    """Bound or not makes no difference: a name may be read where what binds it did not run."""
    return name not in _OTHER_BUILTINS and (not name.startswith("__") or name == "__name__")


def _asks_for_type(node: ast.AST) -> bool:
    """`type(x)`. Called with more, or under another name, it makes classes."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "type"
        and len(node.args) == 1
        and not isinstance(node.args[0], ast.Starred)
        and not node.keywords
    )
