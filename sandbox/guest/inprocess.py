"""Role `inprocess`: tests that cannot be judged from outside share a process with the solution.

Cheats are detected here, not prevented: equality that lies, patched assertions and builtins, tracing
that skips the tests' lines, results changed later, and a verdict sent before its turn. Every verdict
from here is marked "in-process".
"""

from __future__ import annotations

import builtins
import functools
import sys
import types
from typing import Any

from . import asserts, child, frames, judge, tolerance


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    import unittest

    before = _fingerprint(unittest)
    names = judge.namespace(payload["prelude"])
    names.update(tolerance.names(payload["tolerance"]))
    entry_point: str | None = payload["entry_point"]
    names.pop(entry_point or "", None)
    provided = {n: v for n, v in names.items() if n.isidentifier() and not n.startswith("__")}
    failure = _load(payload["code"], names, entry_point, provided)
    tests = tolerance.applied([judge.parse(source) for source in payload["tests"]], payload["tolerance"])
    found: list[str] = []

    def report(index: int, result: dict[str, Any]) -> None:
        control.send({"op": "test", "index": index, **result})  # at once: nothing here can change it later

    if failure is not None:
        for index in range(len(tests)):
            report(index, failure)
    else:
        candidate = _guard(names, entry_point, found)
        judge.judge_all(tests, names, candidate, report, shared=True)
    found += [] if _fingerprint(unittest) == before else ["builtins or unittest were changed"]
    found += _canaries(unittest)
    child.flush()
    # The nonce exists here only after the canaries ran; a verdict without it is a forgery.
    control.send({"op": "canaries", "found": found})
    nonce = control.receive()["nonce"]
    control.send({"op": "verdict", "nonce": nonce})


def _load(
    code: str, names: dict[str, Any], entry_point: str | None, provided: dict[str, Any]
) -> dict[str, Any] | None:
    """Execute the solution in the tests' namespace. Returns the result of every test if that failed."""
    try:
        names.update(vars(child.load(code, "solution", "solution.py", lambda: provided)))
        if entry_point and not callable(names.get(entry_point)):
            raise NameError(f"the solution defines no {entry_point!r}")
    except MemoryError as error:
        return {"status": "oom", "reason": None, "message": child.describe(error)}
    except BaseException as error:  # whatever loading raised is the answer
        child.print_traceback(error)
        return {"status": "failed", "reason": "load", "message": child.describe(error)}
    return None


def _guard(names: dict[str, Any], entry_point: str | None, found: list[str]) -> Any:
    """The entry point, with every value it returns asked whether it equals something it cannot equal,
    and a look after each call at whether the tests' own lines are being traced."""
    function = names.get(entry_point or "")
    if not isinstance(function, types.FunctionType):
        return function

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        if _traced() and not found:
            found.append("the tests were traced")
        try:
            lies = (value == object()) is True or (value != object()) is False
        except Exception:  # comparison may be undefined, as for frames of different shape
            lies = False
        if lies and not found:
            found.append("a returned value equals everything")
        return value

    names[entry_point or ""] = guarded
    return guarded


def _traced() -> bool:
    """Whether someone could jump over lines of a test: with a trace function a frame can be moved."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_trace is not None:
            return True
        frame = frame.f_back
    return sys.gettrace() is not None


def _fingerprint(unittest: Any) -> dict[str, int]:
    """Identities of what a cheat would patch: builtins, assertion methods, and the code behind them."""
    marks = {f"builtins.{name}": id(value) for name, value in vars(builtins).items() if name != "_"}
    for kind in (unittest.TestCase, unittest.TestResult, unittest.TestSuite, unittest.TextTestRunner):
        for name, value in vars(kind).items():
            marks[f"{kind.__name__}.{name}"] = id(value)
            marks[f"{kind.__name__}.{name}.code"] = id(getattr(value, "__code__", None))
    for module in (judge, asserts, frames, child, tolerance):
        for name, value in vars(module).items():
            if not name.startswith("__"):
                marks[f"{module.__name__}.{name}"] = id(value)
                marks[f"{module.__name__}.{name}.code"] = id(getattr(value, "__code__", None))
    return marks


def _canaries(unittest: Any) -> list[str]:
    """Two checks that must fail; one that passes shows patched assertions."""
    found: list[str] = []
    try:
        unittest.TestCase().assertEqual(1, 2)
        found.append("assertEqual(1, 2) passed")
    except AssertionError:
        pass
    canary = judge.parse("assert 1 == 2")
    if isinstance(canary, dict) or judge.judge(canary, judge.namespace(""), None)["status"] != "failed":
        found.append("assert 1 == 2 passed")
    return found
