"""What a test is, and running it."""

from __future__ import annotations

import ast
import contextlib
import io
from typing import Any

from . import asserts, child, pytests

_ACTIVE = (ast.Assert, ast.Raise, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match)


class NoVerdictError(Exception):
    """A test that could not fail, so its passing would mean nothing."""


class Interrupt(BaseException):
    """No further test can be judged here; not an Exception, so that few tests catch it."""


class BadAnswerError(BaseException):
    """The solution's answer could not be judged; `status` and `reason` name how.

    Not an Exception: a test that wants one must not take this for it.
    """

    def __init__(self, status: str, reason: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


def namespace(prelude: str, name: str = "tests") -> dict[str, Any]:
    """Names the tests may use, as module `name`: those of the prelude, and what explains a failed assertion.

    A prelude that does not run (a prompt cut mid-body) contributes what it defined until then. Its functions
    see what is bound here later.
    """
    names: dict[str, Any] = {"__name__": name}
    if prelude:
        with contextlib.suppress(Exception):  # trusted text, often a fragment
            exec(compile(prelude, "prelude.py", "exec", dont_inherit=True), names)
    names.update({"__name__": name, asserts.EXPLAIN: asserts.explain})
    return names


Test = ast.Module | dict[str, Any]  # a tree, or the result of a source that is not Python


def parse(source: str) -> Test:
    """The test as a tree, or its result where it is not Python (NUL bytes and deep nesting included)."""
    try:
        return ast.parse(source, "test.py")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = f"the test is not Python: {child.describe(error)}"
        return asserts.result("failed", "no-verdict", message)


def judge(tree: ast.Module, names: dict[str, Any], candidate: Any) -> dict[str, Any]:
    """Run one test in `names` and say how it went."""
    try:
        _run(tree, names, candidate)
    except NoVerdictError as error:
        return asserts.result("failed", "no-verdict", str(error))
    except BadAnswerError as error:  # in one process the solution can raise it as well, with any status
        status = "tampered" if error.status == "tampered" else "failed"
        return asserts.result(status, error.reason, str(error))
    except AssertionError as error:
        return asserts.result("failed", "assert", str(error)[:2000] or "an assertion failed")
    except Interrupt:
        raise
    except MemoryError as error:
        return asserts.result("oom", None, child.describe(error))
    except BaseException as error:  # a test may raise anything, SystemExit included
        return asserts.result("failed", "exception", child.describe(error))
    return asserts.result("passed")


def _run(tree: ast.Module, names: dict[str, Any], candidate: Any) -> None:
    body = tree.body
    if pytests.wanted(tree):
        try:
            ran, message = pytests.run(tree, names)
        except pytests.NoPytestError as error:
            raise NoVerdictError(str(error)) from None
        if message:
            raise AssertionError(message)
        if not ran:
            raise NoVerdictError("pytest found no test to run")
        return
    defined = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    calls_check = any(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_name(node.value.func, "check")
        for node in body
    )
    before = dict(names)
    exec(compile(asserts.rewrite(tree), "test.py", "exec", dont_inherit=True), names)
    ran = any(isinstance(node, _ACTIVE) or _is_effect(node) for node in body)
    if "check" in defined:
        if not calls_check:
            names["check"](candidate)
        ran = True
    for name in defined:
        if name.startswith("test_"):
            names[name]()
            ran = True
    ran = _run_unittest(names, before) or ran
    if not ran:
        raise NoVerdictError("the test checks nothing")


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_effect(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)


def _run_unittest(names: dict[str, Any], before: dict[str, Any]) -> bool:
    """Run the TestCase classes the source defined. True if there were any."""
    if not any(getattr(base, "__module__", "") == "unittest.case" for base in _bases(names, before)):
        return False
    import unittest

    loader = unittest.TestLoader()
    kinds = _cases(names, before, unittest.TestCase)
    if not kinds:
        return False
    cases = [case for kind in kinds for case in loader.loadTestsFromTestCase(kind)]
    methods = _methods(kinds)
    suite = unittest.TestSuite(cases)
    expected = len(cases)
    outcome = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    if _methods(kinds) != methods or any(
        callable(value) and hasattr(type(case), name) for case in cases for name, value in vars(case).items()
    ):
        raise BadAnswerError("tampered", None, "a test case was changed while it ran")
    for _, trace in (*outcome.failures, *outcome.errors):
        raise AssertionError(trace.strip().rpartition("\n")[2])
    if not expected or outcome.testsRun != expected or outcome.skipped:
        ran = outcome.testsRun - len(outcome.skipped)
        raise NoVerdictError(f"{ran} of {expected} unittest methods ran")
    return True


def _methods(kinds: list[type]) -> dict[tuple[int, str], tuple[int, int]]:
    """The methods that test classes define, and the code behind them."""
    return {
        (number, name): (id(value), id(getattr(value, "__code__", None)))
        for number, kind in enumerate(kinds)
        for name, value in vars(kind).items()
        if callable(value)
    }


def _bases(names: dict[str, Any], before: dict[str, Any]) -> list[type]:
    return [base for kind in _fresh(names, before) if isinstance(kind, type) for base in kind.__mro__]


def _cases(names: dict[str, Any], before: dict[str, Any], base: type) -> list[type]:
    fresh = _fresh(names, before)
    return [v for v in fresh if isinstance(v, type) and issubclass(v, base) and v is not base]


def _fresh(names: dict[str, Any], before: dict[str, Any]) -> list[Any]:
    """What a test defined, under a name that an earlier test of the same namespace used perhaps."""
    return [value for name, value in names.items() if name not in before or before[name] is not value]
