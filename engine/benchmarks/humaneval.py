"""HumanEval (Chen et al. 2021, "Evaluating Large Language Models Trained on Code").

A problem's tests are divided in the same way on every machine: the docstring's examples are `visible`; of the
official asserts, in their order, the first third (rounded down) is `val` and the rest `test`. A `check` that
is not a plain list of asserts stays whole, as `test`. The official tests are never shown to a workflow.
Helper functions in the prompt (encode_cyclic, encode_shift, poly) are the tests' prelude.
"""

from __future__ import annotations

import ast
from typing import Any

from engine.benchmarks.examples import asserts_of
from engine.benchmarks.sources import Hub, text
from engine.problems import Problem, ProblemError, Tests
from engine.records import Record

FILES = (
    "HumanEval.jsonl",
    "HumanEval.jsonl.gz",
    "humaneval_[tv]*.jsonl",
    "openai_humaneval/test-*.parquet",
    "test-*.parquet",
)
HUB = Hub("openai/openai_humaneval", ("openai_humaneval",))
# Examples that the reference solution and the official tests contradict.
_MISTAKEN = frozenset(
    {
        ("HumanEval/47", "median([-10, 4, 6, 1000, 10, 20])"),
        ("HumanEval/116", "sort_array([1, 5, 2, 3, 4])"),
        ("HumanEval/116", "sort_array([-2, -3, -4, -5, -6])"),
        ("HumanEval/148", "bf('Earth', 'Mercury')"),
        # Steps of the recurrence, which is about one number of the list that is asked for.
        *(("HumanEval/130", f"tri({n})") for n in (1, 2, 4)),
    }
)


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one does not have HumanEval's layout."""
    return [to_problem(record, where) for record, where in records]


def to_problem(record: object, where: str) -> Problem:
    """One HumanEval record as a problem. Raises ProblemError, as `problems`."""
    names = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
    task_id, prompt, entry_point, solution, test = (text(record, n, where) for n in names)
    val, final = _divide(test, where)
    metadata: dict[str, Any] = {
        "benchmark": "humaneval",
        "prelude": prompt,
        "reference": prompt + solution,
    }
    visible = tuple(
        example
        for example in asserts_of(prompt, entry_point)
        if (task_id, example.removeprefix("assert ").partition(" == ")[0]) not in _MISTAKEN
    )
    return Problem(task_id, prompt, entry_point, "code", Tests(visible, val, final), None, metadata)


def _divide(test: str, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(val, test): each official assert as a `check` of its own where that keeps its meaning."""
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ProblemError(f'{where}: the field "test" is not Python: {error}') from None
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    if len(functions) != 1:
        return (), (test,)
    body = functions[0].body
    asserts = [n for n in body if isinstance(n, ast.Assert) and not isinstance(n.test, ast.Constant)]
    others = [n for n in body if not isinstance(n, ast.Assert)]
    setup = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    rest = [n for n in tree.body if n is not functions[0] and n not in setup]
    plain = all(isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in others)
    metadata_only = all(isinstance(n, ast.Assign) for n in rest)
    if not plain or not metadata_only or len(asserts) < 2:
        return (), (test,)
    imports = "".join(ast.unparse(n) + "\n" for n in setup)
    checks = tuple(f"{imports}def check(candidate):\n    {ast.unparse(a)}\n" for a in asserts)
    cut = len(checks) // 3
    return checks[:cut], checks[cut:]
