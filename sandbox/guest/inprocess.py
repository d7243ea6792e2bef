"""Tests that watch the process itself, run beside the solution.

They come after the solution was loaded, without the values they expect, and every assertion that can be is
settled in the checker (`expected`). For what is left, cheats are detected here and not prevented: equality
that lies, patched assertions and builtins, tracing that skips a test's lines.
"""

from __future__ import annotations

import builtins
import functools
import json
import os
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import asserts, child, classes, codec, decoys, expected, frames, graph, judge, line

if TYPE_CHECKING:
    from .solution import SolutionEnd


class Watch:
    """What is looked at: taken before the solution is loaded."""

    def __init__(self) -> None:
        import unittest

        self._unittest = unittest
        self._before = _fingerprint(unittest)
        self.found: list[str] = []

    def changed(self) -> str:
        """What a cheat changed, in a few words; "" where nothing is."""
        if _fingerprint(self._unittest) != self._before:
            self.found.append("builtins, unittest or the judge were changed")
        try:
            self._unittest.TestCase().assertEqual(1, 2)
            self.found.append("assertEqual(1, 2) passed")
        except AssertionError:
            pass
        return "; ".join(self.found[:5])


class Tests:
    """The tests of one request, which share their names with the solution's."""

    def __init__(self, end: SolutionEnd, watch: Watch, entry_point: str | None) -> None:
        self._end = end
        self.watch = watch
        self._names = {**judge.namespace(""), **vars(end.module), "__name__": "tests"}
        self._names[expected.SETTLED] = self._settled
        self._source = ""
        self._candidate = _guarded(
            self._names, entry_point, watch.found, lambda: "StopIteration" in self._source
        )

    def run(self, source: str) -> tuple[str, str | None, str]:
        """(status, reason, message) of one test."""
        self._source = source
        tree = judge.parse(source)
        result = tree if isinstance(tree, dict) else judge.judge(tree, self._names, self._candidate)
        child.flush()
        return result["status"], result["reason"], result["message"]

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

    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            value = function(*args, **kwargs)
        except StopIteration:  # `map` and `for` would take it for their own end
            if wants_stop():
                raise
            raise judge.BadAnswerError(
                "failed", "exception", "StopIteration came out of a function"
            ) from None
        if _traced() and not found:
            found.append("the tests were traced")
        if _lies(value) and not found:
            found.append("a returned value does not compare as its kind does")
        return value

    names[entry_point or ""] = guarded
    return functools.wraps(function)(guarded) if isinstance(function, types.FunctionType) else guarded


def _lies(value: Any) -> bool:
    """Whether a value says that it equals values drawn at random, or is of a plain kind that compares anew."""
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
    """Identities of what a cheat would patch: builtins, assertions, what carries a verdict, and their code."""
    marks = {f"builtins.{name}": id(value) for name, value in vars(builtins).items() if name != "_"}
    owners: list[Any] = [unittest.TestCase, unittest.TestResult, unittest.TestSuite, unittest.TextTestRunner]
    owners += [
        judge,
        asserts,
        frames,
        child,
        codec,
        graph,
        line,
        decoys,
        classes,
        expected,
        sys.modules[__name__],
    ]
    owners += [frames.Wire, graph.Graph, graph.Writing, line.Line, json.JSONEncoder, json.JSONDecoder]
    for owner in owners:
        for name, value in vars(owner).items():
            if not name.startswith("__"):
                marks[f"{owner.__name__}.{name}"] = id(value)
                marks[f"{owner.__name__}.{name}.code"] = id(getattr(value, "__code__", None))
    for name in ("write", "read", "_exit"):
        marks[f"os.{name}"] = id(getattr(os, name))
    for encoder in (frames.encode, frames._scan):
        owner = getattr(encoder, "__self__", None)
        marks[f"json.{encoder.__name__}"] = len(getattr(owner, "__dict__", ()))
    return marks
