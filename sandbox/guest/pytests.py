"""Tests written for pytest, run by pytest."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
import types
from typing import Any

_SHARED = "names_of_the_tests"  # the module that hands a test file its names
_file = 0


class NoPytestError(Exception):
    """The tests need pytest, and this sandbox's Python has none."""

    def __init__(self) -> None:
        super().__init__("the tests are written for pytest, which this sandbox's Python does not have")


def wanted(tree: ast.Module) -> bool:
    """Whether a source needs pytest: its marks and fixtures, or classes of tests that are no TestCase."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
            )
            if "pytest" in modules and _collects(tree):
                return True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            required = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
            if required:
                return True
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not _is_case(node):
            return True
    return False


def _collects(tree: ast.Module) -> bool:
    """Whether there is something that pytest would collect; `pytest.raises` alone needs no run of its own."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(node.name.startswith("test") for node in functions)


def _is_case(node: ast.ClassDef) -> bool:
    return any(
        (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")).endswith("TestCase")
        for base in node.bases
    )


def run(tree: ast.Module, names: dict[str, Any]) -> tuple[int, str]:
    """How many tests pytest ran, and what the first that failed says ("" where all passed).

    Raises NoPytestError.
    """
    try:
        import pytest
    except ImportError:
        raise NoPytestError from None
    global _file
    _file += 1
    shared = types.ModuleType(_SHARED)
    shared.__dict__.update({name: value for name, value in names.items() if name.isidentifier()})
    shared.__dict__["__all__"] = [name for name in names if name.isidentifier() and not name.startswith("__")]
    sys.modules[_SHARED] = shared
    path = os.path.abspath(f"test_{_file}.py")
    with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(f"from {_SHARED} import *\n{ast.unparse(tree)}\n")
    seen = _Seen()
    with contextlib.redirect_stdout(io.StringIO()):  # its report quotes the tests
        pytest.main(["-p", "no:cacheprovider", "--noconftest", "--rootdir=.", path], plugins=[seen])
    return seen.ran, seen.message


class _Seen:
    """What pytest reports of each test."""

    def __init__(self) -> None:
        self.ran = 0
        self.message = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """pytest's own hook, by its name."""
        if report.failed:
            self._fail(report.longreprtext)
        elif report.when == "call" and report.passed:
            self.ran += 1
        elif report.skipped and not hasattr(report, "wasxfail"):
            self._fail("a test was skipped")

    def pytest_collectreport(self, report: Any) -> None:
        """pytest's own hook, by its name."""
        if report.failed:
            self._fail(str(report.longrepr))

    def _fail(self, text: str) -> None:
        """Keep what the first failure says: its statement and the error."""
        lines = text.splitlines()
        statements = [line[1:].strip() for line in lines if line.startswith(">")]
        errors = [line[1:].strip() for line in lines if line.startswith("E ")] or lines[-1:]
        said = ": ".join([*statements[-1:], *errors[:1]])
        self.message = self.message or said[:2000] or "a test failed"
