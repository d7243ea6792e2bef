"""What runs of a kind have cost so far: the basis of an estimate."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.experiments.keys import DONE
from store.reading import ReadConnection
from store.usage import UNKNOWN_COST

_NEWEST = 200  # runs a mean is taken over: the latest ones are the likeliest to be like the next


@dataclass(frozen=True, slots=True)
class RoleCost:
    """Mean model calls, tokens and US dollars of one run in one role; the cost None where it is unknown."""

    calls: float
    tokens_in: float
    tokens_out: float
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class RunCost:
    """Means over `runs` earlier runs."""

    runs: int
    meta: RoleCost
    worker: RoleCost

    @property
    def cost_usd(self) -> float | None:
        """US dollars of both roles, None where either is unknown."""
        if self.meta.cost_usd is None or self.worker.cost_usd is None:
            return None
        return self.meta.cost_usd + self.worker.cost_usd


class CostReader:
    """Reads what earlier runs cost. Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    def of_runs(
        self,
        *,
        variant: str,
        meta_agent: str,
        worker: str,
        config: Mapping[str, Any],
        problems: Sequence[str],
    ) -> RunCost | None:
        """The mean over the newest finished runs of this variant, these models and options on these problems.

        Seed and budget may differ. None where there is no such run.
        """
        comparable = _comparable(config)
        marks = ", ".join("?" * len(DONE))
        newest = (
            "SELECT id FROM runs WHERE variant_id IN (SELECT value FROM json_each(?))"
            f" AND problem_id IN (SELECT value FROM json_each(?)) AND status IN ({marks}) AND id NOT IN"
            # Forks, and trials that were resumed, had some of their answers from the record.
            " (SELECT run_id FROM origins WHERE stage = 'search' OR parent IS NOT NULL)"
            " ORDER BY started_at DESC LIMIT ?"
        )
        with self._connection.taken() as db:
            configurations = db.execute(
                "SELECT id, config FROM variants WHERE name = ? AND meta_agent = ? AND worker = ?",
                (variant, meta_agent, worker),
            )
            variant_ids = [
                ident for ident, text in configurations if _comparable(json.loads(text)) == comparable
            ]
            values = (json.dumps(variant_ids), json.dumps(list(problems)), *DONE, _NEWEST)
            run_ids = [run_id for (run_id,) in db.execute(newest, values)]
            return _mean(db, run_ids, len(run_ids)) if run_ids else None

    def of_searches(self, label: str, meta_agent: str, worker: str) -> RunCost | None:
        """The mean over finished searches of this label and these models, None where there is none.

        A search is counted whole, its candidates' runs included.
        """
        with self._connection.taken() as db:
            finished = db.execute(
                "SELECT e.name, e.plan FROM experiments e JOIN journal j ON j.experiment = e.name"
                " WHERE j.key = ?",
                (json.dumps([label, ""]),),
            )
            plans = ((name, json.loads(plan)) for name, plan in finished)
            names = [n for n, plan in plans if (plan["meta_agent"], plan["worker"]) == (meta_agent, worker)]
            rows = db.execute(
                "SELECT run_id FROM origins WHERE experiment IN (SELECT value FROM json_each(?))"
                " AND stage = 'search' AND json_extract(trial, '$[1]') = ?",
                (json.dumps(names), label),
            )
            run_ids = [run_id for (run_id,) in rows]
            return _mean(db, run_ids, len(names)) if run_ids else None


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("seed", "budget")}


def _mean(db: sqlite3.Connection, run_ids: list[str], count: int) -> RunCost:
    """Sums over the runs, divided by `count`."""
    by_role = {"meta": RoleCost(0.0, 0.0, 0.0, 0.0), "worker": RoleCost(0.0, 0.0, 0.0, 0.0)}
    query = f"""
        SELECT role, count(*), total(tokens_in), total(tokens_out), total(cost_usd),
          total({UNKNOWN_COST})
        FROM model_calls WHERE run_id IN (SELECT value FROM json_each(?)) GROUP BY role"""
    for role, calls, tokens_in, tokens_out, cost, unknown in db.execute(query, (json.dumps(run_ids),)):
        mean = None if unknown else cost / count
        by_role[role] = RoleCost(calls / count, tokens_in / count, tokens_out / count, mean)
    return RunCost(count, by_role["meta"], by_role["worker"])
