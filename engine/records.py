"""Files of records: JSON, JSON Lines and Parquet, compressed with gzip or not, recognised by their content.

A record is one decoded JSON value or table row, with its place (file and line, or row) for messages.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.errors import UsageError

Record = tuple[object, str]
MAX_FILE_BYTES = 256 * 1024 * 1024
NEEDS_PYARROW = "pip install 'flowreasoner[data]'"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class ProblemError(UsageError):
    """The input cannot be read as problems; the message says what is wrong, where, and what to do."""


def read_records(path: Path) -> list[Record]:
    """The records of a file, in order: at least one. Its content decides how it is read, not its name.

    Raises:
        ProblemError: the file cannot be read, is empty or larger than `MAX_FILE_BYTES` unpacked (four times
        that
            for Parquet), or a record is not JSON; the message names the line.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start == _PARQUET or path.suffix == ".parquet":
                return list(_parquet(path))
            file.seek(0)
            data = _unpacked(file, path) if start.startswith(_GZIP) else file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ProblemError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ProblemError(f"{path}: {reason}; give a readable JSON or JSONL file") from None
    if len(data) > MAX_FILE_BYTES:
        raise ProblemError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; split the file")
    try:
        return list(_decoded(data.decode("utf-8-sig"), path))
    except UnicodeDecodeError as error:
        raise ProblemError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None


def _unpacked(file: Any, path: Path) -> bytes:
    try:
        with gzip.open(file) as unpacked:
            return unpacked.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ProblemError(f"{path}: not a readable gzip file ({error})") from None


def _decoded(text: str, path: Path) -> list[Record]:
    """The records in a text: one JSON value, the items of a list, or a value on each line."""
    if not text.strip():
        raise ProblemError(f"{path}: the file is empty; write one problem per line")
    # Not `splitlines`: a JSON string may hold U+2028 and other separators as they are.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        whole = _json(text)
    except (ValueError, RecursionError) as error:
        if len(lines) == 1 or not _is_lines(lines[0][1], path):
            raise ProblemError(f"{path}: not JSON: {error}") from None
        return [_line(line, f"{path}:{number}") for number, line in lines]
    many = whole if isinstance(whole, list) else [whole]
    if not many:
        raise ProblemError(f"{path}: the list is empty; write at least one problem")
    return [(item, f"{path}, problem {n}" if len(many) > 1 else str(path)) for n, item in enumerate(many, 1)]


def _is_lines(first: str, path: Path) -> bool:
    """Whether a file that is not one JSON value is meant to hold one on each line."""
    try:
        _json(first)
    except (ValueError, RecursionError):
        return ".jsonl" in path.suffixes
    return True


def _line(line: str, where: str) -> Record:
    try:
        return _json(line), where
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{where}: not JSON: {error}; each line is one problem") from None


def _json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError where it is not standard JSON, which also means NaN and
    numbers that are too large, and where a text in it has a lone surrogate, which cannot be stored or sent.
    """
    value = json.loads(text, parse_constant=_finite, parse_float=_finite)
    if half := _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError(f"{half[0]} is half of a character; write the whole of it") from None
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a number in JSON; write it as text, or leave it out")
    return number


def _parquet(path: Path) -> Iterator[Record]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ProblemError(f"{path}: reading Parquet needs pyarrow: {NEEDS_PYARROW}") from None
    try:
        rows = pyarrow.parquet.ParquetFile(path)
        groups = range(rows.num_row_groups)
        if sum(rows.metadata.row_group(i).total_byte_size for i in groups) > 4 * MAX_FILE_BYTES:
            raise ProblemError(f"{path}: larger than {4 * MAX_FILE_BYTES >> 20} MiB unpacked; split the file")
        table = [row for batch in rows.iter_batches() for row in batch.to_pylist()]
    except (OSError, pyarrow.ArrowException) as error:
        raise ProblemError(f"{path}: not a readable Parquet file ({str(error)[:160]})") from None
    for number, row in enumerate(table, 1):
        yield plain_row(row), f"{path}, row {number}"


def plain_row(value: Any) -> Any:
    """A table's row with JSON types only. NaN, which tables use for a missing number, becomes None, and
    anything else that JSON does not have its `str`.
    """
    if isinstance(value, dict):
        return {key: plain_row(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_row(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return (
        value if isinstance(value, str | int | float | None) else json.loads(json.dumps(value, default=str))
    )
