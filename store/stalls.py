"""How long waits usually take, from the newest runs, and whether somebody holds the store."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from store import bundles

RUNS = 200  # the newest runs that are looked at
EVENT_RUNS = 50  # those of them whose events are read, which costs more
ENOUGH = 5  # waits of a kind; fewer say nothing about what is usual
QUANTILE = 0.95

# Kind of wait and the model or operator waited for, "" where it is neither.
Wait = tuple[str, str]


def usual_waits(db: sqlite3.Connection) -> dict[Wait, float]:
    """The 95th percentile, in seconds, of each kind of wait in the newest runs that has `ENOUGH` samples.

    The keys are ("model", name), ("operator", name), ("slot", "") for a container to start a workflow in, and
    ("scoring", "").
    """
    query = "SELECT id FROM runs WHERE job IS NULL ORDER BY started_at DESC LIMIT ?"
    newest = [run_id for (run_id,) in db.execute(query, (RUNS,))]
    runs = json.dumps(newest)
    waits: dict[Wait, list[float]] = defaultdict(list)
    among = "run_id IN (SELECT value FROM json_each(?)) AND wall_ms IS NOT NULL"
    for model, ms in db.execute(
        f"SELECT model, wall_ms FROM model_calls WHERE {among} AND error IS NULL", (runs,)
    ):
        waits["model", model].append(ms / 1000)
    for operator, ms in db.execute(
        f"SELECT operator, wall_ms FROM steps WHERE {among} AND reused = 0 AND status = 'ok'", (runs,)
    ):
        waits["operator", operator].append(ms / 1000)
    _of_containers(db, newest[:EVENT_RUNS], waits)
    return {wait: _quantile(durations) for wait, durations in waits.items() if len(durations) >= ENOUGH}


def _of_containers(db: sqlite3.Connection, run_ids: Sequence[str], waits: dict[Wait, list[float]]) -> None:
    """Slots: from a workflow to its start in a container. Scoring: from an answer to its score."""
    ends = {
        "workflow_started": ("workflow_proposed", "slot"),
        "evaluation_finished": ("workflow_finished", "scoring"),
    }
    kinds = (*ends, *(start for start, _ in ends.values()))
    for run_id in run_ids:
        began: dict[str, float] = {}
        for _, _, at, kind, _ in bundles.rows(db, run_id, kinds):
            if kind not in ends:
                began[kind] = at
                continue
            start, name = ends[kind]
            if (since := began.pop(start, None)) is not None:
                waits[name, ""].append(max(at - since, 0.0))


def _quantile(values: list[float]) -> float:
    return sorted(values)[round(QUANTILE * (len(values) - 1))]


def write_locked(path: Path) -> bool:
    """Whether another connection is writing now, so that recording has to wait.

    False where it cannot be told.
    """
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=0, isolation_level=None)
    except sqlite3.Error:
        return False
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    finally:
        db.close()
    return False
