"""APPS (Hendrycks et al. 2021, "Measuring Coding Challenge Competence With APPS"), from its own files: a
folder with a folder for each problem, or records with the same parts.

A problem's tests are divided in this way: those that are examples of its statement are `visible`; of the
others the first third (rounded down) is `val`, the rest `test`. Where all tests are examples, the last is
`test`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from engine.benchmarks.contests import (
    PRELUDE,
    WRITE_A_PROGRAM,
    divided,
    function_name,
    function_test,
    plain_json,
    program,
)
from engine.benchmarks.examples import asserts_of
from engine.benchmarks.sources import fields, identifier, text
from engine.operators.solutions import extract_code
from engine.problems import Problem, ProblemError
from engine.records import MAX_FILE_BYTES, Record, read_records

_NAMES = ("apps*.jsonl", "APPS/test/*/question.txt", "test/*/question.txt", "*/question.txt", "apps*.parquet")
LEVELS = ("introductory", "interview", "competition")
FILES = {"apps": _NAMES} | {f"apps-{level}": _NAMES for level in LEVELS}
HUB = dict.fromkeys(FILES)
CPU_S = 4.0  # the official scorer's limit for a test
TOLERANCE = 1e-5  # the relative one with which it compares numbers
_PARTS = ("question.txt", "input_output.json", "solutions.json", "starter_code.py", "metadata.json")
_EXAMPLE = re.compile(r"^.*\bexamples?\b", re.IGNORECASE | re.MULTILINE)


def read(path: Path) -> list[Record]:
    """The records of a file, or the one of the folder whose `question.txt` this is. Raises ProblemError where
    a part cannot be read.
    """
    if path.name != _PARTS[0]:
        return read_records(path)
    record: dict[str, Any] = {"problem_id": path.parent.name}
    for name in _PARTS:
        part = path.with_name(name)
        if part.exists():
            record[name.partition(".")[0]] = _part(part)
    try:
        about = json.loads(record.pop("metadata", "{}"))
    except (ValueError, RecursionError):
        raise ProblemError(f"{path.with_name(_PARTS[-1])}: not JSON") from None
    return [({**(about if isinstance(about, dict) else {}), **record}, str(path.parent))]


def _part(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ProblemError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ProblemError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; leave the problem out")
    return data.decode("utf-8", "replace")


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order; of `apps-LEVEL` those of that difficulty. Raises ProblemError where
    one does not have the layout, or none has the difficulty.
    """
    level = name.partition("-")[2]
    chosen = [(r, where) for r, where in records if not level or fields(r, where).get("difficulty") == level]
    if not chosen:
        raise ProblemError(f"{records[0][1]}: no problem of the difficulty {level}; use apps for all")
    return [to_problem(record, where, name) for record, where in chosen]


def to_problem(record: object, where: str, name: str = "apps") -> Problem:
    """One record as a problem. Raises ProblemError, as `problems`."""
    statement = text(record, "question", where)
    cases = _object(text(record, "input_output", where), where)
    function = function_name(cases.get("fn_name"), where, "input_output")
    given, expected = cases.get("inputs"), cases.get("outputs")
    if not isinstance(given, list) or not isinstance(expected, list) or len(given) != len(expected):
        raise ProblemError(f'{where}: "inputs" and "outputs" are not lists of the same length')
    pairs = list(zip(given, expected, strict=True))
    if function is None:
        tests = [program(_joined(i), _joined(o), where) for i, o in pairs]
        shown = [_is_example(statement, _joined(i), _joined(o)) for i, o in pairs]
    else:
        tests = [_call(function, i, o, where) for i, o in pairs]
        examples = set(asserts_of(_docstring(statement, function), function))
        shown = [_plain(function, i, o) in examples for i, o in pairs]
    visible = [t for t, example in zip(tests, shown, strict=True) if example]
    hidden = [t for t, example in zip(tests, shown, strict=True) if not example]
    divided_tests, left_out = divided(visible, hidden, where)
    starter = str(fields(record, where).get("starter_code") or "").strip()
    metadata: dict[str, Any] = {
        "benchmark": name,
        "prelude": PRELUDE,
        "mode": "split",  # only JSON's types cross
        "cpu_s": CPU_S,
    }
    if function is None:
        metadata["tolerance"] = TOLERANCE
    elif "class Solution" in starter:
        metadata["class"] = "Solution"
    if left_out:
        metadata["left_out"] = left_out
    difficulty = fields(record, where).get("difficulty")
    metadata |= {"difficulty": difficulty} if isinstance(difficulty, str) else {}
    if reference := _reference(record, where):
        metadata["reference"] = extract_code(reference, function) if function else reference
    prompt = f"{statement.strip()}\n\n{_request(function, starter)}"
    problem_id = f"apps/{identifier(record, where, 'problem_id', 'id', default=where)}"
    return Problem(problem_id, prompt, function, "code", divided_tests, None, metadata)


def _request(function: str | None, starter: str) -> str:
    if starter:
        return f"Complete this code:\n```python\n{starter}\n```"
    return WRITE_A_PROGRAM if function is None else f"Write it as a function `{function}`."


def _object(source: str, where: str) -> dict[str, Any]:
    try:
        value = plain_json(source)
    except (ValueError, RecursionError) as error:
        raise ProblemError(f'{where}: the field "input_output" is not JSON: {error}') from None
    if not isinstance(value, dict):
        raise ProblemError(f'{where}: the field "input_output" is not a JSON object')
    return value


def _reference(record: object, where: str) -> str | None:
    value = fields(record, where).get("solutions")
    try:
        value = json.loads(value) if isinstance(value, str) and value.strip() else value
    except (ValueError, RecursionError):
        raise ProblemError(f'{where}: the field "solutions" is not JSON') from None
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, str) else None


def _joined(value: Any) -> Any:
    """A text, which may be given as its lines."""
    lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "\n".join(value) if lines else value


def _call(function: str, given: Any, expected: Any, where: str) -> str | None:
    """The test of a function; what is expected may be the only item of a list."""
    if not isinstance(given, list):
        raise ProblemError(f"{where}: an input of {function} is not a list of arguments")
    arguments, result = [_keyed(value) for value in given], _keyed(expected)
    if isinstance(result, list) and len(result) == 1:
        return function_test(function, arguments, result, _keyed(result[0]))
    return function_test(function, arguments, result)


def _keyed(value: Any) -> Any:
    """A dictionary with whole numbers for keys, which JSON writes as texts."""
    if isinstance(value, dict) and value and all(re.fullmatch(r"-?\d{1,18}", key, re.ASCII) for key in value):
        return {int(key): item for key, item in value.items()}
    return value


def _is_example(statement: str, given: Any, expected: Any) -> bool:
    """Whether a statement shows a test among its examples, line by line."""
    start = _EXAMPLE.search(statement)
    if start is None:
        return False
    lines = _lines(statement[start.start() :])
    asked, told = _lines(given), _lines(expected)
    places = [at for at in range(len(lines)) if lines[at : at + len(asked)] == asked]
    return bool(asked and told) and any(
        lines[at : at + len(told)] == told for place in places for at in range(place + len(asked), len(lines))
    )


def _lines(value: str) -> list[str]:
    return [" ".join(line.split()) for line in value.split("\n") if line.strip()]


def _docstring(statement: str, function: str) -> str:
    """The statement as the docstring of its function, where examples are looked for."""
    return f'def {function}():\n    r"""{statement.replace(chr(34) * 3, "")} """\n'


def _plain(function: str, given: Any, expected: Any) -> str:
    """A test of a function as examples are written down."""
    result = expected[0] if isinstance(expected, list) and len(expected) == 1 else expected
    return f"assert {function}({', '.join(map(repr, given))}) == {result!r}"
