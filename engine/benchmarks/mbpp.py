"""MBPP (Austin et al. 2021, "Program Synthesis with Large Language Models"), full and sanitized.

A problem's tests are divided in this way: the first of `test_list` is `visible` and part of the prompt,
because a query without one does not say what the function takes; the second is `val`; the others, with the
challenge tests, are `test`. Of two tests the first is `visible` and the second `test`; a single one is
`test`.

The paper's own evaluation shows all three tests to the model; here those that count stay unseen.
"""

from __future__ import annotations

import ast
from typing import Any

from engine.benchmarks.sources import Hub, fields, identifier, text, texts
from engine.problems import Problem, ProblemError, Tests
from engine.records import Record

FILES = {
    "mbpp": ("mbpp.jsonl", "mbpp.jsonl.gz", "full/*.parquet", "mbpp*.parquet"),
    "mbpp-sanitized": (
        "sanitized-mbpp.json",
        "sanitized-mbpp.jsonl",
        "mbpp_[tv]*.jsonl",
        "sanitized/*.parquet",
    ),
}
HUB = {
    "mbpp": Hub("google-research-datasets/mbpp", ("full",), "train+test+validation+prompt"),
    "mbpp-sanitized": Hub("google-research-datasets/mbpp", ("sanitized",), "train+test+validation+prompt"),
}


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one does not have the layout of `name`."""
    return [to_problem(record, where, name) for record, where in records]


def to_problem(record: object, where: str, name: str = "mbpp") -> Problem:
    """One record as a problem, of the original file (`text`) or the sanitized one (`prompt`). Raises
    ProblemError, as `problems`.
    """
    data = fields(record, where)
    query = text(record, "text" if "text" in data else "prompt", where)
    code = text(record, "code", where)
    tests = texts(record, "test_list", where)
    if not tests:
        raise ProblemError(f'{where}: the field "test_list" has no tests')
    number = identifier(record, where, "task_id", default="")
    if not number:
        raise ProblemError(f'{where}: the field "task_id" is missing')
    function = _tested(code, tests[0], where)
    setup = "\n".join([*texts(record, "test_imports", where), str(data.get("test_setup_code") or "")]).strip()
    divided = _divide([_with(setup, one) for one in (*tests, *texts(record, "challenge_test_list", where))])
    metadata: dict[str, Any] = {"benchmark": name, "reference": code, "prelude": setup}
    if number.isdigit():
        metadata["task_id"] = int(number)
    hints = [f"Write it as `{_signature(function)}`."] if function else []
    hints += ["It must pass:", *divided.visible] if divided.visible else []
    prompt = "\n".join([query.strip(), "", *hints]).strip()
    entry_point = function.name if function else None
    return Problem(f"mbpp/{number}", prompt, entry_point, "code", divided, None, metadata)


def _divide(tests: list[str]) -> Tests:
    if len(tests) == 1:
        return Tests(test=tuple(tests))
    if len(tests) == 2:
        return Tests(visible=(tests[0],), test=(tests[1],))
    return Tests((tests[0],), (tests[1],), tuple(tests[2:]))


def _with(setup: str, test: str) -> str:
    """A test with its setup, which may use what the solution defines and so cannot run before it."""
    return f"{setup}\n{test.strip()}" if setup else test.strip()


def _tested(code: str, test: str, where: str) -> ast.FunctionDef | None:
    """The function of `code` that a test calls; None where it tests a class, or a name the code lacks."""
    try:
        defined = {n.name: n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)}
    except (SyntaxError, ValueError) as error:
        raise ProblemError(f'{where}: the field "code" is not Python: {error}') from None
    try:
        calls = [n.func for n in ast.walk(ast.parse(test.strip())) if isinstance(n, ast.Call)]
    except (SyntaxError, ValueError) as error:
        raise ProblemError(f'{where}: the field "test_list" is not Python: {error}') from None
    names = [name.id for name in calls if isinstance(name, ast.Name)]
    return next((defined[name] for name in names if name in defined), None)


def _signature(function: ast.FunctionDef) -> str:
    return f"def {function.name}({ast.unparse(function.args)}):"
