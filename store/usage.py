"""What runs used: model calls by role, and operators.

`runs` is a query that gives the ids of the runs in question, with `values` for its question marks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

# True of a row of model_calls whose cost is unknown. A call that failed, or was cut off, before any part of
# an answer came cost nothing.
UNKNOWN_COST = "cost_usd IS NULL AND (finish NOT IN ('error', 'interrupted') OR tokens_in + tokens_out > 0)"


@dataclass(frozen=True, slots=True)
class Usage:
    """Model calls of one role in a run. `cost_usd` is None when a call's price is unknown.

    `latency_ms` is the time during which at least one of the calls was under way, `call_ms` the sum of
    their durations.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    latency_ms: float = 0.0
    call_ms: float = 0.0

    def and_paid(self, other: Usage) -> Usage:
        """With what `other` took besides. Its calls are not counted: they are among these."""
        is_known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if is_known else None,
            self.latency_ms + other.latency_ms,
            self.call_ms + other.call_ms,
        )


_FIELDS = len(fields(Usage))


def usage_of(db: sqlite3.Connection, runs: str, *values: str) -> dict[tuple[str, str], Usage]:
    """Usage by (run id, role)."""
    query = f"""
        SELECT run_id, role, tokens_in, tokens_out, cost_usd,
          {UNKNOWN_COST}, started_at, wall_ms
        FROM model_calls WHERE run_id IN ({runs})
        ORDER BY run_id, role, started_at"""
    usage: dict[tuple[str, str], Usage] = {}
    for key, calls in _groups(db.execute(query, values)):
        tokens_in = tokens_out = 0
        cost: float | None = 0.0
        latency_s = call_ms = until = 0.0
        for call_in, call_out, call_cost, is_unknown, started_at, wall_ms in calls:
            tokens_in += call_in or 0
            tokens_out += call_out or 0
            cost = None if is_unknown or cost is None else cost + (call_cost or 0.0)
            call_ms += wall_ms or 0.0
            end = started_at + (wall_ms or 0.0) / 1e3
            latency_s += max(0.0, end - max(started_at, until))
            until = max(until, end)
        usage[key] = Usage(len(calls), tokens_in, tokens_out, cost, latency_s * 1e3, call_ms)
    return usage


def paid_before(db: sqlite3.Connection, experiment: str) -> dict[tuple[str, str], Usage]:
    """What unfinished attempts paid for, by (run id, role) of each run that goes on from them.

    The answers that it had from their records cost it nothing. Their calls are not counted, since the run has
    made the same ones.
    """
    pairs = """
        FROM origins o JOIN origins p ON p.run_id = o.parent
        WHERE o.experiment = ?1 AND p.experiment = o.experiment AND p.trial = o.trial
          AND EXISTS (SELECT 1 FROM trials t WHERE t.experiment = ?1 AND t.attempts > 1)"""
    parents = db.execute(f"SELECT o.run_id, o.parent {pairs} ORDER BY o.run_id", (experiment,)).fetchall()
    used = usage_of(db, f"SELECT o.parent {pairs}", experiment) if parents else {}
    paid: dict[tuple[str, str], Usage] = {}
    for run_id, parent in parents:
        for role in ("meta", "worker"):
            own, earlier = used.get((parent, role), Usage()), paid.get((parent, role), Usage())
            paid[run_id, role] = earlier.and_paid(own)
    return paid


def operators_of(db: sqlite3.Connection, runs: str, *values: str) -> dict[str, dict[str, int]]:
    """How many steps each run made, by run id and then operator."""
    query = f"""
        SELECT run_id, operator, count(*) FROM steps WHERE run_id IN ({runs}) GROUP BY run_id, operator"""
    counts: dict[str, dict[str, int]] = {}
    for run_id, operator, count in db.execute(query, values):
        counts.setdefault(run_id, {})[operator] = count
    return counts


def keep(db: sqlite3.Connection, runs: str, *values: str) -> None:
    """Store what these runs used, inside the caller's transaction: they have ended, so that it stays so."""
    calls, operators = usage_of(db, runs, *values), operators_of(db, runs, *values)
    rows = (
        (
            run_id,
            *astuple(calls.get((run_id, "meta"), Usage())),
            *astuple(calls.get((run_id, "worker"), Usage())),
            json.dumps(operators.get(run_id, {})),
        )
        for (run_id,) in db.execute(f"SELECT id FROM runs WHERE id IN ({runs})", values).fetchall()
    )
    db.executemany(f"INSERT OR REPLACE INTO usage VALUES ({', '.join('?' * (2 + 2 * _FIELDS))})", rows)


def _groups(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[tuple[str, str], list[tuple[Any, ...]]]]:
    """Rows that come in order, by their first two columns."""
    key, group = None, []
    for run_id, role, *values in rows:
        if (run_id, role) != key:
            if key is not None:
                yield key, group
            key, group = (run_id, role), []
        group.append(tuple(values))
    if key is not None:
        yield key, group


@dataclass(frozen=True, slots=True)
class SearchUsage:
    """What a variant's search used before its first trial, its candidates' trials included.

    `wall_ms` is how long it was under way, summed over its attempts; None while that is unknown.
    """

    runs: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    wall_ms: float | None
