"""Reading how runs worked: what their operators took, and which operators their workflows call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from store.reading import ReadConnection
from store.usage import UNKNOWN_COST


@dataclass(frozen=True, slots=True)
class Used:
    """What one operator, or one role outside of operators, took in some runs, all of them together.

    `runs` counts those that called it. `wall_ms` is the sum of the calls' durations, so that calls at the
    same time count each; `cost_usd` is None where the price of a call is unknown.
    """

    calls: int
    runs: int
    wall_ms: float
    tokens: int
    cost_usd: float | None


class WayReader:
    """Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    def operators(self, run_ids: Sequence[str]) -> dict[str, Used]:
        """What the steps of these runs took, by operator, the most calls first."""
        query = """
            SELECT operator, count(*), count(DISTINCT run_id), total(wall_ms),
              total(tokens_in) + total(tokens_out), total(cost_usd), sum(finished_seq AND cost_usd IS NULL)
            FROM steps WHERE run_id IN (SELECT value FROM json_each(?)) GROUP BY operator ORDER BY 2 DESC"""
        return self._used(query, run_ids)

    def outside(self, run_ids: Sequence[str]) -> dict[str, Used]:
        """What the model calls of these runs took that belong to no step, by role."""
        query = f"""
            SELECT role, count(*), count(DISTINCT run_id), total(wall_ms),
              total(tokens_in) + total(tokens_out), total(cost_usd), sum({UNKNOWN_COST})
            FROM model_calls
            WHERE step_id IS NULL AND run_id IN (SELECT value FROM json_each(?)) GROUP BY role"""
        return self._used(query, run_ids)

    def _used(self, query: str, run_ids: Sequence[str]) -> dict[str, Used]:
        with self._connection.taken() as db:
            rows = db.execute(query, (json.dumps(list(run_ids)),)).fetchall()
        return {
            name: Used(calls, runs, wall, int(tokens), None if unknown else cost)
            for name, calls, runs, wall, tokens, cost, unknown in rows
        }

    def rounds(self, run_ids: Sequence[str]) -> dict[int, tuple[int, int]]:
        """By round: how many of these runs' workflows passed all of `val`, and how many were scored on it."""
        query = """
            SELECT round, sum(score >= 1.0), count(*) FROM rounds WHERE score IS NOT NULL
              AND run_id IN (SELECT value FROM json_each(?)) GROUP BY round ORDER BY round"""
        with self._connection.taken() as db:
            rows = db.execute(query, (json.dumps(list(run_ids)),)).fetchall()
        return {number: (passed, scored) for number, passed, scored in rows}

    def calls_of(self, workflow_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The operators that these workflows call, in the order of their source, by workflow id."""
        query = "SELECT id, graph FROM workflows WHERE id IN (SELECT value FROM json_each(?))"
        with self._connection.taken() as db:
            rows = db.execute(query, (json.dumps(list(workflow_ids)),)).fetchall()
        return {id: tuple(node["operator"] for node in json.loads(graph)["nodes"]) for id, graph in rows}
