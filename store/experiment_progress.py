"""How the variants of an experiment have done so far, trial by trial, in as few points as are asked for."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.experiments.keys import DONE

_COUNTS = ", ".join(repr(status) for status in DONE)
# SQLite thins the trials out, since an experiment may have tens of thousands of them. Of a trial's attempts,
# the latest that counts is reported, as everywhere (`engine.experiments.tally.Attempt.supersedes`). One that
# goes on from unfinished attempts had their answers from the record: what they paid for is part of its cost.
_PARTS = f"""
    WITH RECURSIVE earlier AS (
      SELECT o.run_id, p.run_id AS of
      FROM origins o JOIN origins p ON (p.run_id, p.experiment, p.trial) = (o.parent, o.experiment, o.trial)
      WHERE o.experiment = ?1 AND o.stage = 'final'
      UNION
      SELECT e.run_id, p.run_id
      FROM earlier e JOIN origins o ON o.run_id = e.of
      JOIN origins p ON (p.run_id, p.experiment, p.trial) = (o.parent, o.experiment, o.trial)
    ), paid AS (
      SELECT e.run_id, CASE WHEN count(*) = count(r.cost_usd) THEN sum(r.cost_usd) END AS cost_usd
      FROM earlier e JOIN runs r ON r.id = e.of GROUP BY e.run_id
    ), attempts AS (
      SELECT o.trial, r.status, coalesce(r.ended_at, r.started_at) AS ended,
        r.cost_usd + CASE WHEN p.run_id IS NULL THEN 0.0 ELSE p.cost_usd END AS cost_usd,
        row_number() OVER (PARTITION BY o.trial ORDER BY r.started_at DESC, r.id DESC) AS place
      FROM origins o JOIN runs r ON r.id = o.run_id LEFT JOIN paid p ON p.run_id = o.run_id
      WHERE o.experiment = ?1 AND o.stage = 'final' AND r.status IN ({_COUNTS}) AND json_valid(o.trial)
    ), trials AS (
      SELECT json_extract(trial, '$[0]') AS label, status, cost_usd,
        ntile(?2) OVER (PARTITION BY json_extract(trial, '$[0]') ORDER BY ended, trial) AS part
      FROM attempts WHERE place = 1
    )
    SELECT label, count(*), sum(status = 'passed'), count(cost_usd), total(cost_usd)
    FROM trials GROUP BY label, part ORDER BY label, part"""


class Means(NamedTuple):
    """The means over the first `trials` trials of a variant to end: the share that passed, in [0, 1], with
    errors as not passed, and US dollars per trial, what unfinished attempts paid for included, over the
    `priced` ones; None where no price is known.
    """

    trials: int
    pass_rate: float
    priced: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class VariantProgress:
    """A variant's trials in the order in which they ended; the last of `means` is over all that are done."""

    label: str
    total: int
    means: tuple[Means, ...]

    @property
    def done(self) -> int:
        """How many trials are done."""
        return self.means[-1].trials if self.means else 0


@dataclass(frozen=True, slots=True)
class ExperimentProgress:
    """The variants of an experiment in the order of its plan."""

    name: str
    variants: tuple[VariantProgress, ...]


def read_progress(db: sqlite3.Connection, name: str, plan: str, points: int) -> ExperimentProgress:
    """The progress of each variant, in at most `points` means. Raises ValueError where `plan` is damaged."""
    data: dict[str, Any] = json.loads(plan)
    total = len(data["problems"]) * data["repeats"]
    means: dict[str, list[Means]] = {label: [] for label in data["variants"]}
    sums = dict.fromkeys(means, (0, 0, 0, 0.0))
    for label, trials, passes, prices, usd in db.execute(_PARTS, (name, points)):
        if label in means:
            done, passed, priced, cost = sums[label]
            done, passed, priced, cost = done + trials, passed + passes, priced + prices, cost + usd
            sums[label] = (done, passed, priced, cost)
            means[label].append(Means(done, passed / done, priced, cost / priced if priced else None))
    variants = (VariantProgress(label, total, tuple(found)) for label, found in means.items())
    return ExperimentProgress(name, tuple(variants))
