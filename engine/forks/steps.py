"""Which step a user means, and its inputs after a change of one of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from engine.forks.record import RecordedStep, RunRecord
from engine.operators.specs import OperatorSpec
from sandbox.errors import UsageError

# "val 1 · step 3" as the trace prints it, "r2.test1:0", "val1:3".
_PLACE = re.compile(
    r"(?:r(?:ound)?\s*(?P<round>\d+)\s*[.:/]?\s*)?(?P<purpose>val|test|answer)\s*(?P<repeat>\d+)"
    r"\s*[·:./]?\s*(?:step\s*)?(?P<index>\d+)"
)
_LISTED = 5


class StepError(UsageError):
    """A text names no step or several, or a step's inputs cannot be changed in this way."""


def find_step(record: RunRecord, text: str) -> RecordedStep:
    """The step with this id, the beginning of one, or its place as the trace shows it. A number alone is that
    of a step in its execution, where only one execution has such a step. Raises StepError where no step or
    several fit.
    """
    text = text.strip()
    steps = list(record.steps.values())
    if not steps:
        raise StepError(f"run {record.run_id} has no steps: fork one that called an operator")
    if text in record.steps:
        return record.steps[text]
    if text.isdecimal() and len(text) <= 6:
        return _only(record, [s for s in steps if s.index == int(text)], text)
    if (place := _PLACE.fullmatch(text.lower())) is not None:
        return _only(record, [s for s in steps if _is_at(record, s, place)], text)
    matches = [s for s in steps if text and s.id.startswith(text.lower())]
    return _only(record, matches, text)


def _is_at(record: RunRecord, step: RecordedStep, place: re.Match[str]) -> bool:
    execution = record.executions.get(step.execution_id)
    return (
        execution is not None
        and step.index == int(place["index"])
        and (execution.purpose, execution.repeat) == (place["purpose"], int(place["repeat"]))
        and place["round"] in (None, str(execution.round))
    )


def _only(record: RunRecord, matches: list[RecordedStep], text: str) -> RecordedStep:
    if len(matches) == 1:
        return matches[0]
    if len({s.key for s in matches}) == 1:
        return matches[-1]  # its execution was started again in a fresh container
    if not matches:
        raise StepError(
            f"run {record.run_id} has no step {text!r}: {_listed(record, record.steps.values())}; "
            "`show RUN --json` has the ids"
        )
    raise StepError(f"{text!r} means several steps: {_listed(record, matches)}; give one place or id")


def _listed(record: RunRecord, steps: Iterable[RecordedStep]) -> str:
    steps = list(steps)
    places = [f"{record.place(s)} {s.operator} ({s.id})" for s in steps[:_LISTED]]
    return ", ".join(places) + (f" and {len(steps) - _LISTED} more" if len(steps) > _LISTED else "")


def with_value(
    inputs: dict[str, Any], path: str, value: Any, operator: OperatorSpec | None = None
) -> dict[str, Any]:
    """A copy of `inputs` with `value` at `path`: names and list positions with dots between them, with or
    without "inputs." before. A parameter of the operator that the workflow left out can be set too.

    Raises StepError where there is no such place.
    """
    parts = [p for p in path.strip().split(".") if p]
    if len(parts) > 1 and parts[0] == "inputs" and "inputs" not in inputs:
        parts = parts[1:]
    if not parts:
        raise StepError("say which input: --set NAME=VALUE")
    changed = copy.deepcopy(inputs)
    if len(parts) == 1 and operator and parts[0] in {p.name for p in operator.parameters}:
        return {**changed, parts[0]: value}
    holder: Any = changed
    for depth, part in enumerate(parts):
        place: Any = int(part) if isinstance(holder, list) and part.isdecimal() else part
        exists = (isinstance(holder, dict) and place in holder) or (
            isinstance(holder, list) and isinstance(place, int) and place < len(holder)
        )
        if not exists:
            raise StepError(_missing(path, parts[:depth], holder, operator if depth == 0 else None))
        if depth == len(parts) - 1:
            holder[place] = value
        else:
            holder = holder[place]
    return changed


def _missing(path: str, above: list[str], holder: Any, operator: OperatorSpec | None) -> str:
    where = ".".join(["inputs", *above])
    if isinstance(holder, dict):
        names = dict.fromkeys([*holder, *(p.name for p in operator.parameters)] if operator else holder)
        return f"{path!r} is not in {where}: there is {', '.join(names) or 'nothing'}"
    if isinstance(holder, list):
        return f"{path!r} is not in {where}: it is a list of {len(holder)}, counted from 0"
    return f"{path!r} is not in {where}: that is a {type(holder).__name__} and holds nothing"
