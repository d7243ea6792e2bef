"""BigCodeBench (Zhuo et al. 2024), `complete` (a docstring to fill in) and `instruct` (a request in words).

Tests are methods of a unittest class, which run in one process with the solution, in the `science` image.
Each method, with the class's setup, is a test of its own; in their order, the first third (rounded down) is
`val`, the rest `test`. A class that cannot be taken apart stays whole, as `test`. There are no visible tests,
because too many of the docstrings' examples have random values.
"""

from __future__ import annotations

import ast
from typing import Any, TypeGuard

from engine.benchmarks.sources import Hub, text
from engine.problems import Problem, ProblemError, Tests
from engine.records import Record

FILES = (
    "BigCodeBench*.jsonl",
    "bigcodebench*.jsonl",
    "BigCodeBench*.jsonl.gz",
    "data/v0.1.4-*.parquet",
    "v0.1.4-*.parquet",
)
HUB = Hub("bigcode/bigcodebench", (None,), "v0.1.4")


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one does not have this benchmark's
    layout.
    """
    return [to_problem(record, where, name) for record, where in records]


def to_problem(record: object, where: str, name: str = "bigcodebench-complete") -> Problem:
    """One record as a problem; `where` names its place in messages. Raises ProblemError, as `problems`."""
    prompt = text(record, f"{name.removeprefix('bigcodebench-')}_prompt", where)
    task_id, entry_point = text(record, "task_id", where), text(record, "entry_point", where)
    code, test = text(record, "code_prompt", where), text(record, "test", where)
    val, final = divide(test, where)
    metadata: dict[str, Any] = {
        "benchmark": name,
        "image": "science",
        "mode": "in-process",
        # As its own harness puts the head, filled with `pass`, before a solution ("calibrated").
        "prelude": f"{code.rstrip()}\n    pass\n",
        "reference": code + text(record, "canonical_solution", where),
    }
    return Problem(task_id, prompt, entry_point, "code", Tests((), val, final), None, metadata)


def divide(test: str, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(val, test): the source of a unittest module, taken apart into one module for each test method. Raises
    ProblemError where it does not parse.
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ProblemError(f'{where}: the field "test" is not Python: {error}') from None
    cases = [node for node in tree.body if isinstance(node, ast.ClassDef) and _methods(node)]
    if len(cases) != 1 or not _independent(cases[0]):
        return (), (test,)
    methods = _methods(cases[0])
    if len(methods) < 2:
        return (), (test,)
    tests = tuple(_only(test, cases[0].name, method) for method in methods)
    cut = len(tests) // 3
    return tests[:cut], tests[cut:]


def _methods(case: ast.ClassDef) -> list[str]:
    return list(dict.fromkeys(n.name for n in case.body if _is_test(n)))


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _independent(case: ast.ClassDef) -> bool:
    """Whether no method uses a test method, nor keeps something on the class for a later one."""
    methods = set(_methods(case))
    for node in ast.walk(case):
        if isinstance(node, ast.Attribute) and node.attr in methods:
            return False
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            owner = node.value
            shared = isinstance(owner, ast.Name) and owner.id == case.name
            if shared or (isinstance(owner, ast.Attribute) and owner.attr == "__class__"):
                return False
    return True


def _only(test: str, case: str, method: str) -> str:
    tree = ast.parse(test)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == case:
            node.body = [n for n in node.body if not _is_test(n) or n.name == method]
    return ast.unparse(tree)
