"""AIME, the American Invitational Mathematics Examination: answers are whole numbers from 0 to 999.

The collections that people share name their fields in several ways; JSON, Parquet and CSV files are read. The
answer is compared as GSM8K's is: the last number, by preference in `\\boxed{}`.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from engine.benchmarks.sources import fields
from engine.problems import Problem, ProblemError
from engine.records import MAX_FILE_BYTES, Record, read_records

FILES = ("aime*.jsonl", "AIME*.jsonl", "aime*.csv", "AIME*.csv", "aime*.parquet", "AIME*.parquet")
HUB = None
_ANSWER = re.compile(r"0*\d{1,3}(?:\.0+)?", re.ASCII)
_QUESTION = ("problem", "question")
_NUMBER = ("id", "problem number", "problem_number", "problem_idx")


def read(path: Path) -> list[Record]:
    """The records of a file. Raises ProblemError where it cannot be read."""
    return _csv(path) if path.suffix.lower() == ".csv" else read_records(path)


def _csv(path: Path) -> list[Record]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ProblemError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; split the file")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            records: list[Record] = [(row, f"{path}:{rows.line_num}") for row in rows]
    except OSError as error:
        raise ProblemError(f"{path}: {error.strerror or error}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: not a readable CSV file in UTF-8 ({error})") from None
    if not records:
        raise ProblemError(f"{path}: the file has no rows; write one problem on each")
    return records


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order, numbered from 1 where they have no id. Raises ProblemError where one
    has no question, or its answer is not a whole number from 0 to 999.
    """
    return [to_problem(record, where, number) for number, (record, where) in enumerate(records, 1)]


def to_problem(record: object, where: str, number: int = 1) -> Problem:
    """One record as a problem; `number` makes its id where it has none. Raises ProblemError, as
    `problems`.
    """
    data = {str(key).lower(): value for key, value in fields(record, where).items()}
    question = next((data[key] for key in _QUESTION if data.get(key)), None)
    if not isinstance(question, str) or not question.strip():
        raise ProblemError(f'{where}: neither "problem" nor "question" is a text')
    stated = data.get("answer")
    answer = str(stated).strip() if isinstance(stated, str | int | float) else ""
    if isinstance(stated, bool) or not _ANSWER.fullmatch(answer):
        raise ProblemError(f'{where}: the field "answer" is {stated!r}, not a whole number from 0 to 999')
    metadata: dict[str, Any] = {"benchmark": "aime", "metric": "last-number"}
    if isinstance(data.get("solution"), str) and data["solution"].strip():
        metadata["solution"] = data["solution"]
    return Problem(
        f"aime/{_identity(data, number)}",
        question.strip(),
        kind="math",
        answer=str(int(float(answer))),
        metadata=metadata | {"reference": str(int(float(answer)))},
    )


def _identity(data: dict[str, Any], number: int) -> str:
    """The year and the number, as far as the record has them and they are not one already."""
    own = next((str(data[key]) for key in _NUMBER if data.get(key) is not None), str(number))
    year = "" if data.get("year") is None else str(data["year"])
    return f"{year}-{own}" if year and year not in own else own
