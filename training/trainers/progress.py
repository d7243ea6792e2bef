"""`progress.jsonl`: what a trainer tells, one JSON object a line, appended and flushed line by line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Progress:
    """The one writer of a run directory's progress. Used by rank 0 only."""

    def __init__(
        self, path: Path, attempt: int, on_alert: Callable[[Mapping[str, Any]], object] | None = None
    ) -> None:
        """Opens the file, and cuts off a line that a killed trainer left half-written. Each alert is given to
        `on_alert` as well.

        Raises OSError where the file cannot be opened.
        """
        self._attempt, self._on_alert = attempt, on_alert
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, _whole(self._file))
        os.lseek(self._file, 0, os.SEEK_END)

    def write(self, kind: str, **values: Any) -> None:
        """Append one line. A number that is not finite is written as null. Raises OSError."""
        line = {"kind": kind, "time": time.time(), "attempt": self._attempt, **_finite(values)}
        os.write(self._file, json.dumps(line, allow_nan=False).encode() + b"\n")
        if kind == "alert" and self._on_alert is not None:
            self._on_alert(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _whole(file: int) -> int:
    """The length of the file up to its last newline."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
