"""LiveCodeBench (Jain et al. 2024): contest problems with the dates of their contests, from its own files.

A problem's tests are divided in this way: its public tests, which the statement shows, are `visible`; of the
private ones the first third (rounded down) is `val`, the others `test`. Most answers are whole programs; a
record whose metadata names a function asks for a method of LeetCode's `class Solution`.

Private tests come as JSON, or packed: JSON text in a pickle, compressed, in base64. A pickle can run code
when it is loaded, so it never is: one that holds a single text is read by its opcodes, and any other is
refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import re
import zlib
from contextlib import suppress
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
from engine.benchmarks.sources import fields, text
from engine.problems import Problem, ProblemError
from engine.records import MAX_FILE_BYTES, Record

FILES = (
    "livecodebench*.jsonl",
    "livecodebench/test*.jsonl",
    "code_generation_lite/test*.jsonl",
    "livecodebench*.parquet",
)
HUB = None
CPU_S = 6.0  # the official scorer's limit for a test
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_AROUND = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MAX_UNPACKED = 4 * MAX_FILE_BYTES  # of all records together


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one does not have LiveCodeBench's layout,
    or their tests are too large together.
    """
    found, unpacked = [], 0
    for record, where in records:
        found.append(to_problem(record, where))
        tests = found[-1].tests
        unpacked += sum(map(len, (*tests.visible, *tests.val, *tests.test)))
        if unpacked > _MAX_UNPACKED:
            raise ProblemError(
                f"{where}: the tests up to here have more than {_MAX_UNPACKED >> 20} MiB; split the file"
            )
    return found


def to_problem(record: object, where: str) -> Problem:
    """One record as a problem. Raises ProblemError, as `problems`."""
    statement, identity = text(record, "question_content", where), text(record, "question_id", where)
    data = fields(record, where)
    function = function_name(_metadata(data, where).get("func_name"), where, "metadata")
    visible = [_test(test, function, where) for test in _tests(data, "public_test_cases", where)]
    hidden = [_test(test, function, where) for test in _tests(data, "private_test_cases", where)]
    tests, left_out = divided(visible, hidden, where)
    date = str(data.get("contest_date") or "")[:10]
    if not _DATE.fullmatch(date):
        raise ProblemError(f'{where}: the field "contest_date" is {date!r}, not a date such as 2024-08-31')
    metadata: dict[str, Any] = {
        "benchmark": "livecodebench",
        "contest_date": date,
        "prelude": PRELUDE,
        "mode": "split",  # only JSON's types cross
        "cpu_s": CPU_S,
    }
    metadata |= {key: data[key] for key in ("platform", "difficulty") if isinstance(data.get(key), str)}
    if left_out:
        metadata["left_out"] = left_out
    if function is None:
        prompt = f"{statement.strip()}\n\n{WRITE_A_PROGRAM}"
    else:
        metadata["class"] = "Solution"
        starter = text(record, "starter_code", where)
        prompt = f"{statement.strip()}\n\nComplete this class:\n```python\n{starter.strip()}\n```"
    problem_id = f"livecodebench/{identity}"
    return Problem(problem_id, prompt, function, "code", tests, None, metadata)


def _metadata(data: dict[str, Any], where: str) -> dict[str, Any]:
    value = data.get("metadata") or {}
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProblemError(f'{where}: the field "metadata" is not a JSON object')
    return value


def _test(test: object, function: str | None, where: str) -> str | None:
    """The source of a test; None where it is too large to be run."""
    if not isinstance(test, dict) or not {"input", "output"} <= set(test):
        raise ProblemError(f'{where}: a test is an object with "input" and "output"')
    given, expected = test["input"], test["output"]
    if function is None:
        return program(given, expected, where)
    try:
        arguments = [plain_json(line) for line in str(given).split("\n") if line.strip()]
        return function_test(function, arguments, plain_json(expected))
    except (ValueError, TypeError, RecursionError):
        raise ProblemError(f"{where}: a test of {function} has an input or output that is not JSON") from None


def _tests(data: dict[str, Any], field: str, where: str) -> list[Any]:
    """The tests of a field, in whichever form it has them. Raises ProblemError."""
    value = data.get(field)
    if isinstance(value, str):
        value = _decoded(value, f'{where}: the field "{field}"')
    if not isinstance(value, list):
        raise ProblemError(f'{where}: the field "{field}" is not a list of tests')
    return value


def _decoded(value: str, what: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    try:
        packed = base64.b64decode(value, validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, MAX_FILE_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise ProblemError(f"{what} is neither JSON nor packed JSON; write the tests as JSON") from None
    if not unpacker.eof:
        raise ProblemError(f"{what} is cut off, or unpacks to more than {MAX_FILE_BYTES >> 20} MiB")
    source = _pickled_text(data) if data[:1] == b"\x80" else data.decode("utf-8", "replace")
    if source is None:
        raise ProblemError(
            f"{what} is a pickle of more than a text, which could run code when it is loaded; write the "
            "tests as JSON"
        )
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        raise ProblemError(f"{what} unpacks to something that is not JSON; write the tests as JSON") from None


def _pickled_text(data: bytes) -> str | None:
    """The text that a pickle consists of; None where it has anything else. Nothing is unpickled."""
    found: list[Any] = []
    try:
        for operation, argument, _ in pickletools.genops(data):
            name = operation.name
            if name in _TEXTS and not found:
                found.append(argument)
            elif name not in _AROUND:
                return None
    except (ValueError, LookupError, TypeError, OverflowError, MemoryError):  # damaged
        return None
    return found[0] if found else None
