"""HumanEval (Chen et al. 2021) from its own JSONL file.

How a problem's tests are divided, the same on every machine: the prompt's doctest examples are
`visible`; of the official asserts, in their order, the first third (rounded down) is `val` and the
rest `test`. A `check` that is not a plain list of asserts stays whole, as `test`. The official tests
are never shown to a workflow.
"""

from __future__ import annotations

import ast
import doctest
from pathlib import Path
from typing import Any

from engine.problems import Problem, ProblemError, Tests, read_records

FILE_NAME = "HumanEval.jsonl"
# HumanEval/47's docstring is wrong: the median of its second example is 8.0, and its own tests agree.
_MISTAKEN = ("median([-10, 4, 6, 1000, 10, 20])",)


def load(data: Path | None = None) -> list[Problem]:
    """The problems of `data`, a HumanEval.jsonl or the folder it is in.

    Raises:
        ProblemError: there is no such file, or a line is not a HumanEval record.
    """
    if data is None:
        raise ProblemError(
            f"humaneval needs its data: pass --data PATH/{FILE_NAME}, or set FLOWREASONER_DATA to its folder"
        )
    path = data / FILE_NAME if data.is_dir() else data
    return [to_problem(record, where) for record, where in read_records(path)]


def to_problem(record: object, where: str) -> Problem:
    """One HumanEval record as a problem. Raises ProblemError."""
    names = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
    if not isinstance(record, dict) or not all(isinstance(record.get(n), str) for n in names):
        raise ProblemError(f"{where}: not a HumanEval record; it needs the text fields {', '.join(names)}")
    task_id, prompt, entry_point, solution, test = (record[n] for n in names)
    val, final = _divide(test)
    metadata: dict[str, Any] = {
        "benchmark": "humaneval",
        "prelude": prompt,
        "reference": prompt + solution,
    }
    tests = Tests(visible=_examples(prompt, entry_point), val=val, test=final)
    return Problem(task_id, prompt, entry_point, "code", tests, None, metadata)


def _examples(prompt: str, entry_point: str) -> tuple[str, ...]:
    """The prompt's doctest examples of the entry point as asserts, where both sides are expressions."""
    try:
        docstring = next(
            ast.get_docstring(n)
            for n in ast.parse(prompt).body
            if isinstance(n, ast.FunctionDef) and n.name == entry_point
        )
        examples = doctest.DocTestParser().get_examples(docstring or "")
    except (SyntaxError, ValueError, StopIteration):
        return ()
    asserts = []
    for example in examples:
        source, want = example.source.strip(), example.want.strip()
        if not source.startswith(f"{entry_point}(") or source in _MISTAKEN:
            continue
        try:
            ast.parse(source, mode="eval")
            ast.literal_eval(want)
        except (SyntaxError, ValueError):
            continue
        asserts.append(f"assert {source} == {want}")
    return tuple(dict.fromkeys(asserts))


def _divide(test: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(val, test): each official assert as a `check` of its own where that keeps its meaning."""
    tree = ast.parse(test)
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
