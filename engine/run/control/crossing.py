"""Crossings: the places where a run can stand still, be looked at and be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# "line": a line of the workflow's source is about to run (only where lines are watched).
# "before", "after", "error": an operator step is about to run, has its output, or failed.
# "model": a model is about to be called; "verdict": tests of a step were run.
Where = Literal["line", "before", "model", "verdict", "after", "error"]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One arrival. `value` is what passes: a step's keyword arguments before it, a call's messages, a
    step's output after it (None after an error), None elsewhere.

    `error` is the message of a step that failed, `status` that of a verdict. `tokens`, `cost_usd` (None is
    unknown) and `latency_s` are what the step has taken so far. `execution_id` and `step_id` are None for
    calls outside of steps, which have their role, "meta-agent" or "worker", in place of the operator.
    """

    where: Where
    execution_id: str | None = None
    step_id: str | None = None
    operator: str | None = None
    line: int | None = None
    value: Any = None
    error: str | None = None
    status: str | None = None
    tokens: int = 0
    cost_usd: float | None = None
    latency_s: float = 0.0
