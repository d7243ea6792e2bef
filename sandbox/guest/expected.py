"""Keeping a test's expected values where the solution is not, when the test itself has to run beside it.

`assert f(3) == 6` becomes `assert settled_by_the_checker(0, f(3))`: what the call gives is sent to the
checker, which has `_0 == 6` under number 0 and settles it there, on what it decoded. The same for
unittest's methods.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

from . import tolerance

SETTLED = "settled_by_the_checker"
_PURE = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Starred)
_TYPES = ("bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple")
_SAFE = {*_TYPES, "abs", "isinstance", "len", "max", "min", "repr", "round", "sorted", "sum", "type"}
_EQUAL = ("Equal", "ListEqual", "DictEqual", "TupleEqual", "SetEqual", "SequenceEqual", "MultiLineEqual")
_METHODS = {
    **{f"assert{kind}": "_a == _b" for kind in _EQUAL},
    "assertNotEqual": "_a != _b",
    "assertTrue": "_a",
    "assertFalse": "not _a",
    "assertIsNone": "_a is None",
    "assertIsNotNone": "_a is not None",
    "assertIn": "_a in _b",
    "assertNotIn": "_a not in _b",
    "assertIsInstance": "isinstance(_a, _b)",
    "assertGreater": "_a > _b",
    "assertGreaterEqual": "_a >= _b",
    "assertLess": "_a < _b",
    "assertLessEqual": "_a <= _b",
    "assertAlmostEqual": "_a == _b or round(abs(_a - _b), 7) == 0",
}  # fmt: skip
_HIDING = ("raises", "assertRaises", "assertRaisesRegex", "suppress")  # a block that may end before its end


class Kept:
    """The statements of one test that are settled outside.

    `source` is the test without them. `sure` has the numbers of those that run whenever the test passes:
    a test that passed without one of them was not run. `within`: the tolerance of their equalities.
    """

    def __init__(self, tree: ast.Module, within: float = 0.0) -> None:
        self._within = within
        self._checks: list[tuple[str, Any]] = []
        self.sure: set[int] = set()
        self._block(tree.body, sure=True, top=True)
        self.source = ast.unparse(ast.fix_missing_locations(tree))

    def settle(self, number: int, values: tuple[Any, ...]) -> tuple[bool, Any, str]:
        """Whether statement `number` holds for what it asked for, the value it was about, and its source."""
        source, code = self._checks[number]
        names: dict[str, Any] = {f"_{index}": value for index, value in enumerate(values)}
        names.update(tolerance.names(self._within))
        names["__builtins__"] = {name: getattr(builtins, name) for name in _SAFE}
        return bool(eval(code, names)), values[0] if values else None, source

    def _block(self, body: list[ast.stmt], *, sure: bool, top: bool = False) -> None:
        for index, node in enumerate(body):
            sure = sure and not _leaves(node)
            kept = self._statement(node, sure)
            if kept is not None:
                body[index] = kept
                continue
            for name in ("body", "orelse", "finalbody"):
                self._block(getattr(node, name, []), sure=sure and self._runs(node, top))
            for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                self._block(part.body, sure=False)

    def _runs(self, node: ast.stmt, top: bool) -> bool:
        """Whether the block of `node` runs to its end wherever the test passes."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            plain = not node.decorator_list
            return plain and (node.name.startswith("test") or (top and node.name == "check"))
        if isinstance(node, ast.ClassDef):
            return not node.decorator_list
        if isinstance(node, ast.With):
            return not any(
                isinstance(n, ast.Name | ast.Attribute) and _last(n) in _HIDING for n in ast.walk(node)
            )
        return False

    def _statement(self, node: ast.stmt, sure: bool) -> ast.stmt | None:
        """What stands in the test for `node`; None where it stays as it is."""
        if isinstance(node, ast.Assert):
            holes: list[ast.expr] = []
            shown = ast.unparse(node.test)
            outside = _outside(node.test, holes)
            if self._within:
                tolerance.loosen(outside)
            call = self._settled(outside, holes, shown, sure)
            return None if call is None else ast.Assert(call, node.msg)
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            return None
        call = node.value
        form = _METHODS.get(call.func.attr) if isinstance(call.func, ast.Attribute) else None
        if form is None or not isinstance(call.func.value, ast.Name) or call.func.value.id != "self":  # type: ignore[attr-defined]
            return None
        wanted = 2 if "_b" in form else 1
        if not wanted <= len(call.args) <= wanted + 1 or any(key.arg != "msg" for key in call.keywords):
            return None
        if wanted == 2 and not any(_is_closed(arg) for arg in call.args[:2]):
            return None  # nothing is expected of it here
        holes = []
        shown = ast.unparse(call)
        parts = {name: _outside(arg, holes) for name, arg in zip("ab", call.args[:wanted], strict=True)}
        outside = _Filled(parts).visit(ast.parse(form, mode="eval").body)
        settled = self._settled(outside, holes, shown, sure)
        return None if settled is None else ast.Assert(settled, None)

    def _settled(self, outside: ast.expr, holes: list[ast.expr], shown: str, sure: bool) -> ast.expr | None:
        if not holes:
            return None
        number = len(self._checks)
        code = compile(
            ast.fix_missing_locations(ast.Expression(outside)), "expected.py", "eval", dont_inherit=True
        )
        self._checks.append((shown, code))
        if sure:
            self.sure.add(number)
        return ast.Call(ast.Name(SETTLED, ast.Load()), [ast.Constant(number), *holes], [])


def _leaves(node: ast.stmt) -> bool:
    """Whether a statement may leave the block it is in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(isinstance(inner, ast.Return | ast.Break | ast.Continue) for inner in ast.walk(node))


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


class _Filled(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.expr]) -> None:
        self._parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._parts.get(node.id.removeprefix("_"), node) if node.id.startswith("_") else node


def _outside(node: ast.expr, holes: list[ast.expr]) -> ast.expr:
    """`node` as the checker evaluates it; what it has to ask for, in `holes`, is a name there."""
    if isinstance(node, ast.Constant):
        return node
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        if not any(_is_closed(part) for part in parts):
            return _hole(node, holes)  # nothing is expected of it here
        by_identity = any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        if by_identity and not all(isinstance(part, ast.Constant) for part in parts[1:]):
            return _hole(node, holes)  # which object it is can only be told where it is
    if isinstance(node, ast.operator | ast.unaryop | ast.cmpop | ast.expr_context):
        return node
    if isinstance(node, _PURE):
        return _rebuilt(node, holes)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _SAFE
        and not node.keywords
    ):
        return ast.Call(node.func, [_outside(arg, holes) for arg in node.args], [])
    if isinstance(node, ast.Name) and node.id in _TYPES:
        return node
    return _hole(node, holes)


def _is_closed(node: ast.expr) -> bool:
    """Whether a part of a comparison is known without asking for anything."""
    holes: list[ast.expr] = []
    _outside(node, holes)
    return not holes


def _rebuilt(node: ast.expr, holes: list[ast.expr]) -> ast.expr:
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            fields[name] = [_outside(item, holes) if isinstance(item, ast.expr) else item for item in value]
        else:
            fields[name] = _outside(value, holes) if isinstance(value, ast.expr) else value
    return type(node)(**fields)


def _hole(node: ast.expr, holes: list[ast.expr]) -> ast.expr:
    holes.append(node)
    return ast.Name(f"_{len(holes) - 1}", ast.Load())
