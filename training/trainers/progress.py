"""`progress.jsonl`: what a trainer tells, one JSON object a line, appended and flushed line by line."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Of a step's values, what a line of progress has room for, in this order.
_TOLD = (
    "loss",
    "reward_mean",
    "reward_std",
    "val_score_mean",
    "valid_share",
    "same_workflow_share",
    "empty_thinking_share",
    "kl",
    "entropy",
    "tokens_per_s",
    "gpu_memory_mb",
)


class Progress:
    """The one writer of a run directory's progress. Used by rank 0 only.

    What it writes is printed as well, in words: that is the job's log.
    """

    def __init__(
        self, path: Path, attempt: int, on_alert: Callable[[Mapping[str, Any]], object] | None = None
    ) -> None:
        """Opens the file, and cuts off a line that a killed trainer left half-written. Each alert is given to
        `on_alert` as well.

        Raises OSError where the file cannot be opened.
        """
        self._attempt, self._on_alert, self._total = attempt, on_alert, None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, _whole(self._file))
        os.lseek(self._file, 0, os.SEEK_END)

    def write(self, kind: str, **values: Any) -> None:
        """Append one line. A number that is not finite is written as null. Raises OSError."""
        line = {"kind": kind, "time": time.time(), "attempt": self._attempt, **_finite(values)}
        os.write(self._file, json.dumps(line, allow_nan=False).encode() + b"\n")
        self._total = line.get("total_steps", self._total)
        if not line.get("error") and (
            words := progress_words(line, self._total)
        ):  # an error is said at the end
            sys.stdout.write(" ".join(words.split()) + "\n")
            sys.stdout.flush()
        if kind == "alert" and self._on_alert is not None:
            self._on_alert(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def progress_words(line: Mapping[str, Any], total: object = None) -> str:
    """A line of progress for people; "" for one that says nothing a reader waits for."""
    match line.get("kind"):
        case "start":
            parts = (
                f"{name} {line[name]}" for name in ("rows", "tokens", "base", "dataset") if line.get(name)
            )
            return f"{line.get('total_steps')} steps: {', '.join(parts)}"
        case "step":
            return step_words(line, total)
        case "checkpoint":
            return f"checkpoint {line.get('step')}: {line.get('folder')}"
        case "alert":
            return f"alert: {line.get('text')}"
        case "end":
            return f"{line.get('status')}{': ' if line.get('error') else ''}{line.get('error') or ''}"
        case _:
            return ""


def step_words(line: Mapping[str, Any], total: object = None) -> str:
    """A step's number and the values of it that matter most."""
    values = line.get("values")
    known = values if isinstance(values, dict) else {}
    parts = [f"{name} {known[name]:.4g}" for name in _TOLD if isinstance(known.get(name), int | float)]
    return f"step {line.get('step')}{f'/{total}' if total else ''}{': ' if parts else ''}{', '.join(parts)}"


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
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
