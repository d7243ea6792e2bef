"""Tests that watch the process itself, run beside the solution.

They come after the solution was loaded, without the values they expect, and every assertion that can be is
settled in the checker (`expected`). For what is left, cheats are detected here and not prevented: equality
that lies, patched assertions and builtins, tracing that skips a test's lines.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import (
    child,
    classes,
    decoys,
    expected,
    judge,
    tampering,
    tolerance,
)

if TYPE_CHECKING:
    from .solution import SolutionEnd

_OF_CACHES = ("cache_clear", "cache_info", "cache_parameters")
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Tests:
    """The tests of one request, which share their names with the solution's: `names`, where the prelude's
    are too. Of `payload`: the entry point, the prelude, the tolerance of equalities."""

    def __init__(
        self, end: SolutionEnd, watch: tampering.Watch, names: dict[str, Any], payload: dict[str, Any]
    ) -> None:
        watch.loaded()
        self._end = end
        self._watch = watch
        self._within = within = payload["tolerance"]
        self._prelude = payload["prelude"]
        self._names = names
        names.update({"__name__": "tests", expected.SETTLED: self._settled, **tolerance.names(within)})
        self._source = self._all = ""
        self._candidate = _guarded(
            self._names, payload["entry_point"], watch, lambda: "StopIteration" in self._source
        )

    def run(self, source: str) -> tuple[str, str | None, str]:
        """(status, reason, message) of one test."""
        self._source = source
        self._all += source
        self._watch.rebound = "global" in self._all or "global" in self._prelude
        (tree,) = tolerance.applied([judge.parse(source)], self._within)
        result = tree if isinstance(tree, dict) else judge.judge(tree, self._names, self._candidate)
        child.flush()
        return result["status"], result["reason"], result["message"]

    def changed(self) -> str:
        """What was found amiss since the solution was loaded."""
        return self._watch.changed(self._all)

    def _settled(self, number: int, *values: Any) -> bool:
        """Have the checker settle an assertion. Raises AssertionError where it does not hold."""
        text = self._end.ask("settle", None, "", number, *values)
        if text:
            raise AssertionError(text)
        return True


def _guarded(
    names: dict[str, Any], entry_point: str | None, watch: tampering.Watch, wants_stop: Callable[[], bool]
) -> Any:
    """The entry point, what it returns asked whether it equals what it cannot equal; and a look after each
    call at what the tests have."""
    function = names.get(entry_point or "")
    if isinstance(function, type) or not callable(function):
        return function

    def looked_at(value: Any) -> Any:
        if _lies(value) and not watch.found:
            watch.found.append("a returned value does not compare as its kind does")
        return value

    def guarded(*args: Any, **kwargs: Any) -> Any:
        call = watch.call(sys._getframe(1))
        try:
            value = function(*args, **kwargs)
        except StopIteration:  # `map` and `for` would take it for their own end
            if wants_stop():
                raise
            raise judge.BadAnswerError(
                "failed", "exception", "StopIteration came out of a function"
            ) from None
        finally:
            call.look()
        return looked_at(value)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        value: Any = function(*args, **kwargs)
        return looked_at(await value)  # meanwhile the tests may have gone on

    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _GENERATORS:
        return function  # it returns nothing but generators
    stand_in = awaited if flags & inspect.CO_COROUTINE else guarded
    if isinstance(function, types.FunctionType):
        functools.update_wrapper(stand_in, function)
    for name in _OF_CACHES:
        if hasattr(function, name):
            setattr(stand_in, name, getattr(function, name))
    names[entry_point or ""] = stand_in
    return stand_in


def _lies(value: Any) -> bool:
    """Whether a value says that it equals values drawn at random, or is a plain one that compares anew."""
    kind = type(value)
    if kind in classes.PLAIN or value is None or kind is bool:
        return False
    own = (
        isinstance(value, classes.PLAIN)
        and classes.kind_of(kind) == "value"
        and kind.__module__ == "solution"
    )
    if own and any(
        name in vars(base)
        for base in kind.__mro__
        if base.__module__ == "solution"
        for name in classes.COMPARISONS[:2]
    ):
        return True
    try:
        drawn = [object(), *(decoys.vary(sample) for sample in (1, 0.5, "a", [1, 2], (1,), {1: 2}, None))]
        return any((value == other) is True or (value != other) is False for other in drawn)
    except Exception:  # comparison may be undefined, as for frames of different shape
        return False
