"""What a test is, whether it can be judged from another process, and running it."""

from __future__ import annotations

import ast
import builtins
import io
from collections.abc import Callable, Iterator
from typing import Any

from . import asserts, child

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__"}
_ACTIVE = (ast.Assert, ast.Raise, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CAPTURES = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


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


def namespace(prelude: str) -> dict[str, Any]:
    """Names the tests may use: those of the prelude, and what explains a failed assertion."""
    names = provided(prelude)  # the very dictionary of its functions: they see what is bound in it later
    names.update({"__name__": "tests", asserts.EXPLAIN: asserts.explain})
    return names


def provided(prelude: str) -> dict[str, Any]:
    """What the prelude defines. One that does not run (a prompt cut mid-body) contributes what it defined
    until then."""
    names: dict[str, Any] = {"__name__": "prelude"}
    try:
        exec(compile(prelude, "prelude.py", "exec", dont_inherit=True), names)
    except Exception:  # trusted text, often a fragment
        return names
    return names


Test = ast.Module | dict[str, Any]  # a tree, or the result of a source that is not Python


def parse(source: str) -> Test:
    """The test as a tree, or its result where it is not Python (NUL bytes and deep nesting included)."""
    try:
        return ast.parse(source, "test.py")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = f"the test is not Python: {child.describe(error)}"
        return asserts.result("failed", "no-verdict", message)


def needs_one_process(tests: list[Test], known: set[str], entry_point: str | None) -> str | None:
    """Why these tests cannot be judged from another process, or None when they can.

    Only the tests decide, never the solution: it must not be able to choose the weaker mode.
    """
    if not entry_point:
        return "no entry point is named"
    for tree in tests:
        if isinstance(tree, dict):
            continue
        names = _Names()
        for node in _nodes(tree):
            why = _unproxied(node, entry_point)
            if why is not None:
                return why
            names.add(node)
        missing = names.used - names.bound - known - _BUILTINS - {entry_point, "check"}
        if missing:
            return f"the tests use {', '.join(sorted(missing)[:3])}"
    return None


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node below `tree`; as `ast.walk`, at a third of its cost."""
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, ast.AST):
            yield node
            left += [getattr(node, field, None) for field in node._fields]


def _unproxied(node: ast.AST, entry_point: str) -> str | None:
    """Why `node` cannot work on a proxy of `entry_point`."""
    if isinstance(node, ast.Attribute):
        if _is_name(node.value, entry_point):
            return f"an attribute of {entry_point}"
        # `Name(...).attribute` of a name that looks like a class
        made = isinstance(node.value, ast.Call) and _is_name(node.value.func, entry_point)
        if made and entry_point[:1].isupper():
            return f"an instance of {entry_point}"
    elif isinstance(node, ast.ClassDef) and "TestCase" in map(_last_name, node.bases):
        return "a unittest class"
    return None


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


class _Names:
    """Names a source reads, and those it binds (scopes are not told apart: enough for tests)."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.bound: set[str] = set()

    def add(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            (self.used if isinstance(node.ctx, ast.Load) else self.bound).add(node.id)
        elif isinstance(node, _DEFINITIONS):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
        elif isinstance(node, ast.alias):
            self.bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, _CAPTURES) and node.name:
            self.bound.add(node.name)


def judge(tree: ast.Module, names: dict[str, Any], candidate: Any) -> dict[str, Any]:
    """Run one test in `names` and say how it went."""
    try:
        _run(tree, names, candidate)
    except NoVerdictError as error:
        return asserts.result("failed", "no-verdict", str(error))
    except BadAnswerError as error:
        return asserts.result(error.status, error.reason, str(error))
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


def _is_effect(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)


def _run_unittest(names: dict[str, Any], before: dict[str, Any]) -> bool:
    """Run the TestCase classes the source defined. True if there were any."""
    if not any("unittest" in getattr(base, "__module__", "") for base in _bases(names, before)):
        return False
    import unittest

    loader = unittest.TestLoader()
    kinds = _cases(names, before, unittest.TestCase)
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


Report = Callable[[int, dict[str, Any]], None]


def judge_all(
    tests: list[Test], base: dict[str, Any], candidate: Any, report: Report, *, shared: bool
) -> None:
    """Judge each test in order and `report` it. `shared`: all in one namespace, the solution's own."""
    for index, test in enumerate(tests):
        if isinstance(test, ast.Module):
            report(index, judge(test, base if shared else dict(base), candidate))
        else:
            report(index, test)
