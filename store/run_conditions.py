"""A filter of runs as SQL conditions, for the list of runs and for what they are counted by."""

from __future__ import annotations

from typing import Any, NamedTuple

from store import failures
from store.annotations import Kind
from store.failures import Grouping
from store.rows import FAILED
from store.run_filter import RunFilter

_FAILED = f"runs.status IN ({', '.join(repr(status) for status in FAILED)})"


class Conditions(NamedTuple):
    """`sql` are conditions on the table `runs`, all of which are to hold, `values` those of their question
    marks. `is_plain`: they are about columns of runs alone.
    """

    sql: list[str]
    values: list[Any]
    is_plain: bool


def conditions_of(
    wanted: RunFilter, *, failed: bool = False, cluster: tuple[Grouping, str] | None = None
) -> Conditions:
    """What a run has to meet, but for the words of the search, which an index of its own finds."""
    conditions: list[str] = [_FAILED] if failed else []
    values: list[Any] = []
    for column in ("variant", "status", "benchmark"):
        if (value := getattr(wanted, column)) is not None:
            conditions.append(f"runs.{column} = ?")
            values.append(value)
    if wanted.job is not None:
        conditions.append("runs.job = ?")
        values.append(wanted.job)
    elif wanted.training_set is None:
        conditions.append("runs.job IS NULL")
    if wanted.experiment is not None:
        conditions.append("runs.id IN (SELECT run_id FROM origins WHERE experiment = ?)")
        values.append(wanted.experiment)
    said: tuple[tuple[Kind, str | None], ...] = (
        ("label", wanted.label),
        ("bookmark", "" if wanted.bookmark else None),
        ("training-set", wanted.training_set),
    )
    clauses = [failures.annotated(kind, value) for kind, value in said if value is not None]
    if cluster is not None:
        clauses.append(failures.condition(*cluster))
    for clause, its_values in clauses:
        conditions.append(clause)
        values.extend(its_values)
    return Conditions(conditions, values, not clauses)
