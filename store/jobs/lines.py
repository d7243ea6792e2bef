"""A line of a job's progress.jsonl as plain, checked data.

The file comes from another process, often from another machine: nothing in it is believed. A number that
is not finite becomes None, a name or a number out of range makes the whole line damaged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_STEP = 1 << 53
_MOST_VALUES = 400
_MOST_GROUPS = 10_000
_MOST_CANDIDATES = 1_000
_MOST_ROUNDS = 1_000
_NAME = re.compile(r"[A-Za-z_][\w./:@-]{0,99}")
_EVENTS = ("start", "checkpoint", "alert", "end")


class DamagedLineError(ValueError):
    """A line is not one of progress.jsonl."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rollout of a group. Score and reward are None where there was none."""

    group: str
    number: int
    problem: str
    run_id: str | None
    score: float | None
    reward: float | None
    rounds: tuple[float | None, ...]
    advantages: tuple[float | None, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `kind` is "step", "rollouts", or an event's; only what belongs to the kind is filled.

    `at` is Unix seconds; `values` are a step's metrics by name, `data` an event's other fields, unchecked.
    """

    kind: str
    at: float
    attempt: int
    step: int | None
    values: dict[str, float | None]
    candidates: tuple[Candidate, ...]
    data: dict[str, Any]


def read_line(raw: bytes) -> Line:
    """The line, given without its line end. Raises DamagedLineError where it is not one, or out of range."""
    try:
        data = json.loads(raw, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise DamagedLineError("no JSON") from None
    if not isinstance(data, dict):
        raise DamagedLineError("no object")
    kind, at = data.pop("kind", None), number(data.pop("time", None))
    attempt = _whole(data.pop("attempt", 1))
    if at is None or not 0 <= at < 1e11 or attempt is None or not 1 <= attempt < 1_000_000:
        raise DamagedLineError("no time or attempt")
    step = _whole(data.get("step"))
    if kind in ("step", "rollouts", "checkpoint") and step is None:
        raise DamagedLineError("no step")
    if kind == "step":
        return Line(kind, at, attempt, step, _values(data.get("values")), (), {})
    if kind == "rollouts":
        return Line(kind, at, attempt, step, {}, tuple(_candidates(data.get("groups"))), {})
    if kind in _EVENTS:
        return Line(kind, at, attempt, step, {}, (), data)
    raise DamagedLineError("no kind of line that this version knows")


def number(value: Any) -> float | None:
    """A finite number, else None. A boolean is no number here, nor is a text that looks like one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def text(value: Any, longest: int) -> str:
    """A text that SQLite takes, cut to `longest` characters; "" for anything else."""
    return value[:longest].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < MAX_STEP else None


def _values(values: Any) -> dict[str, float | None]:
    """The metrics of a step. A text or list in a number's place leaves the metric out."""
    if not isinstance(values, dict) or len(values) > _MOST_VALUES:
        raise DamagedLineError("no values")
    return {
        name: number(value)
        for name, value in values.items()
        if _NAME.fullmatch(name) and (value is None or isinstance(value, int | float))
    }


def _candidates(groups: Any) -> Iterator[Candidate]:
    if not isinstance(groups, list) or len(groups) > _MOST_GROUPS:
        raise DamagedLineError("no groups")
    for index, group in enumerate(groups):
        candidates = group.get("candidates") if isinstance(group, dict) else None
        if not isinstance(candidates, list) or len(candidates) > _MOST_CANDIDATES:
            raise DamagedLineError("a group without candidates")
        group_id = group.get("group", index)
        name = str(group_id)[:200] if type(group_id) is int else text(group_id, 200) or str(index)
        for place, candidate in enumerate(candidates):
            if not isinstance(candidate, dict):
                raise DamagedLineError("a candidate that is none")
            yield Candidate(
                name,
                place,
                text(group.get("problem"), 1000),
                text(candidate.get("run"), 100) or None,
                number(candidate.get("score")),
                number(candidate.get("reward")),
                _numbers(candidate.get("rounds")),
                _numbers(candidate.get("advantages")),
                text(candidate.get("words"), 1 << 20),
            )


def _numbers(values: Any) -> tuple[float | None, ...]:
    return tuple(number(value) for value in values[:_MOST_ROUNDS]) if isinstance(values, list) else ()
