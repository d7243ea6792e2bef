"""Tests that watch the process itself, run beside the solution.

They come after the solution was loaded, without the values they expect, and every assertion that can be is
settled in the checker (`expected`). For what is left, cheats are detected here and not prevented: equality
that lies, patched assertions and builtins, tracing that skips a test's lines.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import json
import os
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import (
    asserts,
    child,
    classes,
    codec,
    decoys,
    expected,
    frames,
    graph,
    judge,
    line,
    line_messages,
    tolerance,
)

if TYPE_CHECKING:
    from .solution import SolutionEnd

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Watch:
    """What is looked at: taken before the solution is loaded."""

    def __init__(self) -> None:
        import unittest
        import unittest.mock

        self._unittest = unittest
        self._before = _fingerprint(unittest)
        self.found: list[str] = []

    def changed(self, tests: str) -> str:
        """What a cheat changed, in a few words. A builtin that `tests` name may have been changed by them."""
        now = _fingerprint(self._unittest)
        for mark in now.keys() | self._before.keys():
            owner, _, name = mark.rpartition(".")
            if now.get(mark) != self._before.get(mark) and not (
                owner in ("builtins", "os") and name in tests
            ):
                self.found.append(f"{mark.removesuffix('.code')} was changed")
                break
        try:
            self._unittest.TestCase().assertEqual(1, 2)
            self.found.append("assertEqual(1, 2) passed")
        except AssertionError:
            pass
        return "; ".join(self.found[:5])


class Tests:
    """The tests of one request, which share their names with the solution's: `names`, where the prelude's
    are too. `within` is the tolerance of their equalities."""

    def __init__(
        self, end: SolutionEnd, watch: Watch, entry_point: str | None, names: dict[str, Any], within: float
    ) -> None:
        self._end = end
        self._watch = watch
        self._within = within
        self._names = names
        names.update({"__name__": "tests", expected.SETTLED: self._settled, **tolerance.names(within)})
        self._source = self._all = ""
        self._candidate = _guarded(
            self._names, entry_point, watch.found, lambda: "StopIteration" in self._source
        )

    def run(self, source: str) -> tuple[str, str | None, str]:
        """(status, reason, message) of one test."""
        self._source = source
        self._all += source
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
    names: dict[str, Any], entry_point: str | None, found: list[str], wants_stop: Callable[[], bool]
) -> Any:
    """The entry point, what it returns asked whether it equals what it cannot equal; and a look after each
    call at whether the tests' own lines are being traced."""
    function = names.get(entry_point or "")
    if isinstance(function, type) or not callable(function):
        return function

    def looked_at(value: Any) -> Any:
        if _traced() and not found:
            found.append("the tests were traced")
        if _lies(value) and not found:
            found.append("a returned value does not compare as its kind does")
        return value

    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            value = function(*args, **kwargs)
        except StopIteration:  # `map` and `for` would take it for their own end
            if wants_stop():
                raise
            raise judge.BadAnswerError(
                "failed", "exception", "StopIteration came out of a function"
            ) from None
        return looked_at(value)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        value: Any = function(*args, **kwargs)
        return looked_at(await value)

    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _GENERATORS:
        return function  # it returns nothing but generators
    stand_in = awaited if flags & inspect.CO_COROUTINE else guarded
    if isinstance(function, types.FunctionType):
        functools.update_wrapper(stand_in, function)
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


def _traced() -> bool:
    """Whether someone could jump over lines of a test: with a trace function a frame can be moved."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_trace is not None:
            return True
        frame = frame.f_back
    return sys.gettrace() is not None


def _fingerprint(unittest: Any) -> dict[str, int]:
    """Identities of what a cheat would patch: builtins, assertions, what carries a verdict, their code."""
    marks = {f"builtins.{name}": id(value) for name, value in vars(builtins).items() if name != "_"}
    mock = unittest.mock
    owners: list[Any] = [unittest.TestCase, unittest.TestResult, unittest.TestSuite, unittest.TextTestRunner]
    owners += [mock.NonCallableMock, mock.CallableMixin, json.JSONEncoder, json.JSONDecoder]
    owners += [frames.Wire, graph.Graph, line_messages.Writing, line.Line, sys.modules[__name__]]
    owners += [asserts, child, classes, codec, decoys, expected, frames, graph, judge, line, tolerance]
    for owner in owners:
        for name, value in vars(owner).items():
            if not name.startswith("__"):
                marks[f"{owner.__name__}.{name}"] = id(value)
                marks[f"{owner.__name__}.{name}.code"] = id(getattr(value, "__code__", None))
    for name in ("write", "read", "_exit"):
        marks[f"os.{name}"] = id(getattr(os, name))
    marks["json.encoder"] = len(vars(frames.encode.__self__))  # a method patched on the one that frames use
    return marks
