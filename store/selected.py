"""Rows as SQL selects them, and the objects that are made of them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from engine.events import ModelCallFinished, ModelCallStarted
from store.rows import Cursor, ModelCall, RunRow, StepRow

_RUN_FIELDS = tuple(f.name for f in fields(RunRow))
_OWN_COLUMNS = ", ".join(f"runs.{f.name}" for f in fields(RunRow) if f.name not in ("config", "parent"))
# The order of the tables is kept (CROSS JOIN): the runs come in the order in which they are listed.
RUN_COLUMNS = f"{_OWN_COLUMNS}, v.config, o.parent"
RUN_JOINS = " CROSS JOIN variants v ON v.id = runs.variant_id LEFT JOIN origins o ON o.run_id = runs.id"
SELECT_STEPS = f"SELECT {', '.join(f.name for f in fields(StepRow))} FROM steps"


def model_call_of(
    started: ModelCallStarted, ended: ModelCallFinished | None, finish: str | None, numbers: list[Any]
) -> ModelCall:
    """A call of its two events, the second None while it goes on, and of the columns finish and `numbers`."""
    retries, tokens_in, tokens_out, cost_usd, ttft_ms, wall_ms = numbers
    return ModelCall(
        id=started.call_id,
        step_id=started.step_id,
        role=started.role,
        model=started.model,
        messages=started.messages,
        params=started.params,
        text=ended.text if ended else "",
        reasoning=ended.reasoning if ended else "",
        finish=finish,
        flags=ended.flags if ended else (),
        error=ended.error if ended else None,
        retries=retries,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost_usd,
        ttft_ms=ttft_ms,
        wall_ms=wall_ms,
    )


def run_id_of(row: tuple[Any, ...]) -> object:
    """The id in a row of `RUN_COLUMNS`."""
    return row[_RUN_FIELDS.index("id")]


def cursor_of(row: tuple[Any, ...]) -> Cursor:
    """Where the list of runs goes on after a row of `RUN_COLUMNS`."""
    return Cursor(row[_RUN_FIELDS.index("started_at")], row[_RUN_FIELDS.index("id")])


def run_of(row: tuple[Any, ...]) -> RunRow:
    """The run of a row of `RUN_COLUMNS`. Raises what `store.errors.OF_DAMAGE` names where it is damaged."""
    values = dict(zip(_RUN_FIELDS, row, strict=True))
    values["strict"] = _flag(values["strict"])
    values["config"] = json.loads(values["config"])
    if not isinstance(values["config"], dict):
        raise TypeError("the configuration is no object")
    return RunRow(**values)


def step_of(row: tuple[Any, ...]) -> StepRow:
    """The step of a row of `SELECT_STEPS`."""
    values = dict(zip((f.name for f in fields(StepRow)), row, strict=True))
    values["reused"] = _flag(values["reused"])
    return StepRow(**values)


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)
