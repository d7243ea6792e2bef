"""What the rows of a bundle may look like, so that nothing in it surprises whoever reads the store later."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    Event,
    ModelCallStarted,
    RunFinished,
    RunStarted,
    WorkflowProposed,
)
from engine.experiments.plan import Plan, PlanError, check_name
from store.rows import FAILED

BUNDLE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MEMBER = re.compile(r"(?:runs/\d{1,9}|annotations|experiments|journal)\.jsonl")
_ENDED = {*FAILED, "passed", "answered", "cancelled"}

_COLUMNS: dict[str, dict[str, tuple[type, ...]]] = {
    "annotations": {"run_id": (str,), "kind": (str,), "value": (str,), "source": (str,), "at": (int, float)},
    "experiments": {"name": (str,), "benchmark": (str,), "plan": (dict,), "started_at": (int, float)},
    "journal": {
        "experiment": (str,),
        "key": (list,),
        "value": (object,),
        "at": (int, float),
    },
}


class ShapeError(ValueError):
    """A row is not what the version of the bundle says it is."""


def check_row(table: str, row: Any) -> dict[str, Any]:
    """`row`, once it has the shape of a row of `table`. Raises ShapeError where it has not."""
    columns = _COLUMNS[table]
    if not isinstance(row, dict) or set(row) != set(columns):
        raise ShapeError(f"a row of {table} has {', '.join(columns)}")
    for name, types in columns.items():
        if not isinstance(row[name], types) or (isinstance(row[name], bool) and types != (object,)):
            raise ShapeError(f"{name} is a {type(row[name]).__name__}")
        if isinstance(row[name], float) and not math.isfinite(row[name]):
            raise ShapeError(f"{name} is no finite number")
    if table == "experiments":
        _check_plan(row)
    if table == "journal" and not (len(row["key"]) == 2 and _texts(row["key"])):
        raise ShapeError("key is not a label and a step")
    return row


def check_event(event: Event, run_id: str, last: Event | None) -> None:
    """Check that `event` can follow `last` in the run, whose first event follows None.

    Raises ShapeError where it cannot, or has a value that readers do not expect.
    """
    if event.run_id != run_id:
        raise ShapeError("an event of another run")
    if isinstance(event, RunStarted) != (last is None):
        raise ShapeError("a run begins with run_started, and once")
    if last is not None and (event.seq <= last.seq or isinstance(last, RunFinished)):
        raise ShapeError("events out of order")
    if not 0 <= event.seq < 2**63 or not all(map(math.isfinite, (event.at, event.mono))):
        raise ShapeError("a number out of range")
    if not -1e11 < event.at < 1e11:
        raise ShapeError("a time that no clock shows")
    _check_parts(event)


def _check_parts(event: Event) -> None:
    """The inner shapes that `from_json` leaves open and readers rely on."""
    if isinstance(event, RunFinished) and event.status not in _ENDED:
        raise ShapeError(f"there is no status {event.status[:40]!r}")
    if isinstance(event, RunStarted):
        tests = event.problem.get("tests") or {}
        fine = isinstance(event.problem.get("prompt", ""), str) and isinstance(tests, dict)
        if not fine or not all(_texts(tests.get(split) or []) for split in ("visible", "val", "test")):
            raise ShapeError("the problem is not one")
    if isinstance(event, ModelCallStarted) and not all(_is_texts(m) for m in event.messages):
        raise ShapeError("a message is not a role and a content")
    if isinstance(event, CodeExecuted) and not all(_is_texts(file) for file in event.files):
        raise ShapeError("a file is not a name and its content")
    if isinstance(event, CodeExecuted | EvaluationFinished) and not _are_rows(event.verdict.get("tests")):
        raise ShapeError("the verdict's tests are not a list of results")
    if isinstance(event, WorkflowProposed):
        nodes, edges = event.graph.get("nodes"), event.graph.get("edges")
        # Older graphs name their nodes only.
        if not (_are_rows(edges) and (_are_rows(nodes) or _texts(nodes))):
            raise ShapeError("the graph is not nodes and edges")
        if not (_are_rows(event.diagnostics) and _are_rows(event.repairs)):
            raise ShapeError("a diagnosis is not an object")


def _check_plan(row: Mapping[str, Any]) -> None:
    try:
        plan = Plan.from_json(row["plan"])
        check_name(row["name"])
    except PlanError as error:
        raise ShapeError(str(error)) from None
    fine = plan.name == row["name"] and _texts(plan.problems) and _is_texts(plan.variants)
    if not fine or type(plan.repeats) is not int or plan.repeats < 1:
        raise ShapeError("the plan is not one of an experiment")


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for item in value.items() for v in item)


def _are_rows(value: Any) -> bool:
    return value is None or (
        isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value)
    )
