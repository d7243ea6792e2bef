"""Reading how runs worked: what their operators took, which operators their workflows call, and what their
meta-agents replied.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.events import ModelCallFinished, WorkflowProposed
from store import blobs, bundles, payloads
from store.errors import OF_DAMAGE, StoreError
from store.reading import ReadConnection
from store.usage import UNKNOWN_COST

_BLANK = "\t\n\v\f\r "


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


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of one reply of a meta-agent that a workflow was looked for in.

    `shape` is the workflow's skeleton, None where it cannot run; `as_written` whether it needed no repair.
    """

    shape: str | None
    as_written: bool


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

    def proposals(self, run_ids: Sequence[str]) -> list[Proposal]:
        """What came of the replies in these runs. Workflows that no reply was read for are left out."""
        query = """
            SELECT p.run_id, p.seq, p.workflow_id, p.strict_ok, w.code_hash
            FROM proposals p LEFT JOIN workflows w ON w.id = p.workflow_id
            WHERE p.run_id IN (SELECT value FROM json_each(?)) ORDER BY p.run_id, p.seq"""
        with self._connection.taken() as db:
            shapes: dict[str, str] = {}

            def proposal(row: tuple[str, int, str | None, int, str]) -> Proposal:
                *_, workflow_id, strict_ok, code = row
                if workflow_id is None:
                    return Proposal(None, False)
                if code not in shapes:
                    from engine.workflows.skeleton import skeleton  # brings the parsing of workflows with it

                    shapes[code] = skeleton(blobs.get(db, code))
                return Proposal(shapes[code], bool(strict_ok))

            rows = db.execute(query, (json.dumps(list(run_ids)),)).fetchall()
            read = {
                run_id: {seq for seq, turn in _values(db, run_id, WorkflowProposed.kind, "turn")}
                for run_id in {row[0] for row in rows}
            }
            of_replies = (row for row in rows if row[1] in read[row[0]])
            return self._connection.intact(of_replies, proposal, lambda row: row[:2])

    def thinking(self, run_ids: Sequence[str]) -> tuple[int, int]:
        """How many replies of meta-agents there are in these runs, and how many of them reasoned nothing."""
        query = """
            SELECT run_id, finished_seq FROM model_calls
            WHERE run_id IN (SELECT value FROM json_each(?)) AND role = 'meta' AND finish <> 'error'"""
        with self._connection.taken() as db:
            answered = set(db.execute(query, (json.dumps(list(run_ids)),)))
            blank = [
                isinstance(text, str) and not text.strip(_BLANK)
                for run_id in {run_id for run_id, _ in answered}
                for seq, text in _values(db, run_id, ModelCallFinished.kind, "reasoning")
                if (run_id, seq) in answered
            ]
        return len(blank), sum(blank)


def _values(db: sqlite3.Connection, run_id: str, kind: str, field: str) -> Iterator[tuple[int, object]]:
    """What a run's events of a kind have in a field, by number; without null, and what is damaged."""
    with suppress(StoreError):
        for row in bundles.rows(db, run_id, (kind,)):
            with suppress(*OF_DAMAGE):
                if (value := json.loads(payloads.as_json(row[4])).get(field)) is not None:
                    yield row[1], value
