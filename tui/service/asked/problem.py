"""How a problem is named: `FILE`, `FILE#ID`, `BENCHMARK:ID`, or `-` for a query on standard input."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path

from engine.operators.support import extract_code
from engine.problems import (
    Problem,
    ProblemError,
    Tests,
    is_python_name,
    parse_problem,
)
from engine.records import read_records
from tui.service.asked.text_file import read_text


def resolve(argument: str, data: Path | None = None) -> Problem:
    """The one problem the argument names; `data` is where a benchmark's files are.

    Raises:
        ProblemError: there is no such file, benchmark or id, or a file holds several problems.
    """
    from engine.benchmarks import find_problem
    from engine.benchmarks.files import existing_file, load_problems

    if argument == "-":
        return _from_stdin()
    # A `#` may be part of the path, of the id, or between them: the longest path that is there counts.
    ends = [len(argument), *(match.start() for match in re.finditer("#", argument))]
    for end in sorted(ends, reverse=True):
        if path := existing_file(argument[:end]):
            return _pick(load_problems(path), path, argument[end + 1 :])
    name, colon, problem_id = argument.partition(":")
    if colon and re.fullmatch(r"[a-z0-9_-]+", name):
        return find_problem(name, problem_id, data)
    raise ProblemError(
        f"{argument.partition('#')[0]}: No such file; name a file of problems, or BENCHMARK:ID"
    )


def with_tests(problem: Problem, tests: Path | None, entry_point: str | None) -> Problem:
    """The problem with the tests of a file and an entry point added; either may be None.

    Raises ProblemError where the file holds no tests, or the entry point is not a Python name.
    """
    if entry_point is not None:
        if not is_python_name(entry_point):
            raise ProblemError(f"--entry-point {entry_point!r} is not a Python name for a function")
        problem = replace(problem, entry_point=entry_point, kind="code")
    if tests is not None:
        problem = replace(problem, tests=_read_tests(tests), kind="code")
    return problem


def _pick(problems: list[Problem], path: Path, problem_id: str) -> Problem:
    if not problem_id and len(problems) == 1:
        return problems[0]
    for problem in problems:
        if problem.id == problem_id:
            return problem
    reason = f"no problem has the id {problem_id!r}" if problem_id else f"it holds {len(problems)} problems"
    raise ProblemError(f"{path}: {reason}; choose one as in {path}#{problems[0].id}")


def _from_stdin() -> Problem:
    raw = sys.stdin.buffer.read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(f"standard input is not UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise ProblemError(
            "standard input is empty; write the query there, as in: echo 'Sort a list.' | flowreasoner run -"
        )
    return Problem("stdin", text.strip())


def _read_tests(path: Path) -> Tests:
    """A JSON file is {"visible", "val", "test"}, or a list that is all `test`; any other holds Python, which
    `divide` takes apart.
    """
    if path.suffix == ".json":
        records = read_records(path)
        sources = [data for data, _ in records if isinstance(data, str)]
        tests = {"test": sources} if len(sources) == len(records) else records[0][0]
        return parse_problem(
            {"id": "tests", "prompt": "-", "tests": tests, "entry_point": "f"}, str(path)
        ).tests
    source = read_text(path, "tests", ProblemError)
    return divide(extract_code(source), str(path))


def divide(source: str, where: str) -> Tests:
    """Tests in Python source, divided into the three splits. Parsing executes nothing.

    A test is an assert, or a statement with one in it, with what stands before it; or a function or class
    that pytest would collect, with all that is no test. The first third is `visible`, the next `val`, the
    rest `test`, so that a single file gives all three; one `check` cannot be divided and becomes `test`.

    Raises:
        ProblemError: it is not Python, or holds no test.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProblemError(f"{where}: not Python: {error}") from None
    if any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in body):
        return Tests(test=(source,))
    setup = [node for node in body if not _is_collected(node) and not _asserts(node)]
    tests: list[str] = []
    for at, node in enumerate(body):
        if _is_collected(node):
            tests.append(_source([*setup, node]))
        elif _asserts(node):
            tests.append(_source([*(statement for statement in body[:at] if statement in setup), node]))
    if not tests:
        raise ProblemError(
            f"{where}: no test in it; write asserts, functions named test_…, or one function check(candidate)"
        )
    third = max(1, len(tests) // 3)
    if len(tests) < 3:
        return Tests(visible=tuple(tests[:-1]), test=tuple(tests[-1:]))
    return Tests(tuple(tests[:third]), tuple(tests[third : 2 * third]), tuple(tests[2 * third :]))


def _is_collected(node: ast.stmt) -> bool:
    """Whether pytest would collect it: by its name, or as a TestCase."""
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return is_function and node.name.startswith("test") and not any(map(_is_fixture, node.decorator_list))


def _is_fixture(decorator: ast.expr) -> bool:
    return "fixture" in ast.unparse(decorator).partition("(")[0]


def _asserts(node: ast.stmt) -> bool:
    """Whether running it asserts something: an assert in a function runs only where that is called."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(isinstance(inner, ast.Assert) for inner in ast.walk(node))


def _source(nodes: list[ast.stmt]) -> str:
    return "\n".join(ast.unparse(node) for node in nodes)
