"""Tests whose floats need not be equal to the last digit: `==` and `!=` of a test, with a tolerance.

`assert f(3) == 6.1` becomes `assert f(3) == ≈(6.1)`. The name is no identifier, so no source can read or
bind it. As evalplus compares: |a - b| <= tolerance + 1e-7 * |b|, in containers too.
"""

from __future__ import annotations

import ast
import functools
import math
from typing import Any

_NAME = "≈"
_RELATIVE = 1e-7
_EXACTLY = (bool, str, bytes, type(None))


def applied(tests: list[Any], tolerance: float) -> list[Any]:
    """The parsed `tests`, with their equalities loosened where there is a tolerance."""
    for test in tests if tolerance else ():
        if isinstance(test, ast.Module):
            loosen(test)
    return tests


def names(tolerance: float) -> dict[str, Any]:
    """What the namespace of such tests has to bind."""
    return {_NAME: functools.partial(_About, tolerance)} if tolerance else {}


def loosen(tree: ast.AST) -> None:
    """Wrap the right-hand sides of the tree's equalities, in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            node.comparators = [_wrapped(value) for value in node.comparators]


def _wrapped(value: ast.expr) -> ast.expr:
    return ast.copy_location(
        ast.Call(ast.copy_location(ast.Name(_NAME, ast.Load()), value), [value], []), value
    )


class _About:
    """A value that equals all that are close to it."""

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # so that NumPy leaves comparisons to it

    def __init__(self, tolerance: float, value: Any) -> None:
        self._tolerance = tolerance
        self._value = value

    # Not always a bool: what compares item by item, as arrays do, goes on doing so.
    def __eq__(self, other: Any) -> Any:
        return _close(plain(other), self._value, self._tolerance)

    def __ne__(self, other: Any) -> Any:
        equal = self == other
        return not equal if isinstance(equal, bool) else plain(other) != self._value

    def __repr__(self) -> str:
        return f"{self._value!r} ± {self._tolerance:g}"


def plain(value: Any) -> Any:
    """The value that a test compared with, where `value` stands for it."""
    return value._value if isinstance(value, _About) else value


def _close(got: Any, wanted: Any, tolerance: float) -> Any:
    if isinstance(got, float | complex) or isinstance(wanted, float | complex):
        return _near(got, wanted, tolerance)
    if isinstance(wanted, list | tuple) and type(got) is type(wanted):
        return len(got) == len(wanted) and all(
            _close(a, b, tolerance) for a, b in zip(got, wanted, strict=True)
        )
    if isinstance(wanted, dict) and type(got) is type(wanted):
        return got.keys() == wanted.keys() and all(_close(got[key], wanted[key], tolerance) for key in wanted)
    return got == wanted


def _near(got: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(got, _EXACTLY) or isinstance(wanted, _EXACTLY):
        return bool(got == wanted)
    try:
        if got == wanted:
            return True  # infinities, which no difference tells
        allowed = tolerance + _RELATIVE * abs(wanted)
        return math.isfinite(allowed) and bool(abs(got - wanted) <= allowed)
    except (TypeError, OverflowError):  # an integer beyond floats, or no number at all
        return False
