"""Files of problems, in this project's own format or in the layout of a benchmark, recognised by their
fields.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from engine.paths import expanded
from engine.problems import Problem, parse_problem, unique
from engine.records import read_records

# (benchmark, the fields that a record of its layout has); the first that fits counts.
_LAYOUTS = tuple(
    (name, frozenset(fields.split()))
    for name, fields in (
        ("humaneval", "task_id prompt canonical_solution test entry_point"),
        ("bigcodebench-complete", "task_id complete_prompt code_prompt canonical_solution test"),
        ("mbpp", "task_id text code test_list"),
        ("mbpp-sanitized", "task_id prompt code test_list"),
        ("hotpotqa", "question answer context"),
        ("drop", "passage question"),
        ("drop", "context ref_text"),
        ("math", "problem solution"),
        ("livecodebench", "question_content public_test_cases private_test_cases"),
        ("apps", "question input_output"),
    )
)


def load_problems(path: Path) -> list[Problem]:
    """All problems of a file, in order, in whichever of these layouts.

    Raises:
        ProblemError: the file cannot be read, a record is malformed, or two problems share an id.
    """
    records = read_records(path)
    layout = layout_of(records[0][0])
    if layout is None:
        return unique(parse_problem(data, where) for data, where in records)
    module = import_module(f"engine.benchmarks.{layout.partition('-')[0]}")
    return unique(module.problems(records, layout))


def existing_file(name: str) -> Path | None:
    """The file with the path `name`; None where there is none, or where `name` cannot be a path."""
    try:
        path = expanded(name)
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, with a NUL, a user nobody knows
        return None


def layout_of(record: Any) -> str | None:
    """The benchmark whose layout a record has; None for this project's own format."""
    if not isinstance(record, dict) or ("id" in record and "prompt" in record):
        return None
    fields = record.keys()
    if "question" in fields and "####" in str(record.get("answer")):
        return "gsm8k"
    if fields and all(isinstance(value, dict) and "qa_pairs" in value for value in record.values()):
        return "drop"
    return next((name for name, needed in _LAYOUTS if needed <= fields), None)
