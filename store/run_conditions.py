"""A filter of runs as SQL, for the list of runs and for what they are counted by: where to begin, so that a
page is read without looking at the runs that are not on it, and what else has to hold.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from store.failures import NO_LABEL, Grouping
from store.rows import FAILED
from store.run_filter import RunFilter

_FAILED = f"runs.status IN ({', '.join(map(repr, FAILED))})"
# Of several conditions the rarest is where to begin; beyond this many runs they count as equally rare.
_MOST_COUNTED = 100_000
_IN_LIST = "listed.field = ? AND listed.value = ? AND listed.job = ?"


@dataclass
class Source:
    """The runs of a filter: `tables` for FROM, the conditions, all of which are to hold, with the values of
    all question marks, and the columns by which the runs come newest first.
    """

    tables: str = "runs"
    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    started_at: str = "runs.started_at"
    id: str = "runs.id"

    def sql(self, columns: str, joins: str = "") -> str:
        """A SELECT of the columns, newest run first, that wants one more value: LIMIT."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        order = f"ORDER BY {self.started_at} DESC, {self.id} DESC"
        return f"SELECT {columns} FROM {self.tables}{joins}{where} {order} LIMIT ?"


class _Term(NamedTuple):
    """One condition on runs. The runs that meet it come in order from the index `ordered` of runs, or from
    `listed` by field, value and job; from neither where both are None.
    """

    condition: str
    values: tuple[Any, ...] = ()
    ordered: str | None = None
    listed: tuple[str, str, str] | None = None


def source_of(
    db: sqlite3.Connection,
    wanted: RunFilter,
    *,
    failed: bool = False,
    cluster: tuple[Grouping, str] | None = None,
    run_ids: list[str] | None = None,
) -> Source:
    """Where the runs that a filter wants are read from. The words of its search have an index of their own:
    `run_ids` are what it found.
    """
    terms = list(_terms(wanted, failed=failed, cluster=cluster))
    if wanted.job is not None:
        job = _Term("runs.job = ?", (wanted.job,))
    else:
        # Rollouts are left out, but for those of the training set asked for.
        job = _Term("runs.job IS NULL" if wanted.training_set is None else "true")
    source, first = Source(), None
    if run_ids is not None:
        source.tables = "json_each(?) AS found CROSS JOIN runs ON runs.id = found.value"
        source.values = [json.dumps(run_ids)]
    elif (first := _rarest(db, terms, job)) is not None and first.listed:
        source = Source(
            "listed CROSS JOIN runs ON runs.id = listed.run_id",
            [_IN_LIST],
            [*first.listed],
            "listed.started_at",
            "listed.run_id",
        )
    elif first is not None:
        source.tables = f"runs INDEXED BY {first.ordered}"
    for term in (*terms, job):
        if not (term is first and term.listed):
            source.conditions.append(term.condition)
            source.values.extend(term.values)
    return source


def _terms(wanted: RunFilter, *, failed: bool, cluster: tuple[Grouping, str] | None) -> Iterator[_Term]:
    if failed:
        yield _of_index(wanted, "runs_failed", _FAILED)
    for column in ("variant", "status", "benchmark"):
        if (value := getattr(wanted, column)) is not None:
            index = f"runs_failed_by_{column}" if failed and column != "status" else f"runs_by_{column}"
            also = f" AND {_FAILED}" if failed and column != "status" else ""
            yield _of_index(wanted, index, f"runs.{column} = ?{also}", value)
    if wanted.experiment is not None:
        yield _of_list(wanted, "experiment", wanted.experiment)
    for kind, value in (
        ("label", wanted.label),
        ("bookmark", "" if wanted.bookmark else None),
        ("training-set", wanted.training_set),
    ):
        if value is not None:
            yield _of_list(wanted, kind, value)
    if cluster is not None:
        yield _of_cluster(wanted, *cluster)


def in_cluster(by: Grouping, key: str) -> tuple[str, tuple[Any, ...]]:
    """The condition that a run is in a cluster, and the values of its question marks."""
    term = _of_cluster(RunFilter(), by, key)
    return term.condition, term.values


def _of_cluster(wanted: RunFilter, by: Grouping, key: str) -> _Term:
    match by:
        case "signature":
            return _of_index(wanted, "runs_by_signature", "runs.error_sig = ?", key)
        case "operator":
            # ";" follows ":": all signatures that begin with the place.
            within = "runs.error_sig >= ? AND runs.error_sig < ?"
            return _of_index(wanted, "runs_by_signature", within, f"{key}: ", f"{key};")
        case "label":
            return _of_list(wanted, "label", key)
        case "problem":
            return _of_index(wanted, "runs_failed_by_problem", f"{_FAILED} AND runs.problem_id = ?", key)
        case "variant":
            return _of_index(wanted, "runs_failed_by_variant", f"{_FAILED} AND runs.variant = ?", key)
        case "benchmark":
            return _of_index(
                wanted, "runs_failed_by_benchmark", f"{_FAILED} AND runs.benchmark IS ?", key or None
            )


def _of_index(wanted: RunFilter, index: str, condition: str, *values: Any) -> _Term:
    # With rollouts and other runs together, no index has them by time.
    return _Term(condition, values, index if wanted.training_set is None else None)


def _of_list(wanted: RunFilter, field: str, value: str) -> _Term:
    is_listed = field == "training-set" or wanted.training_set is None
    job = "" if field == "training-set" else wanted.job or ""
    if field == "experiment":
        condition = "EXISTS (SELECT 1 FROM origins o WHERE o.run_id = runs.id AND o.experiment = ?)"
        values: tuple[Any, ...] = (value,)
    elif field == "label" and value == NO_LABEL:
        labelled = "SELECT 1 FROM annotations a WHERE a.run_id = runs.id AND a.kind = 'label'"
        condition, values = f"{_FAILED} AND NOT EXISTS ({labelled})", ()
        is_listed &= wanted.job is None
    else:
        said = "SELECT 1 FROM annotations a WHERE a.run_id = runs.id AND a.kind = ? AND a.value = ?"
        condition, values = f"EXISTS ({said})", (field, value)
    return _Term(condition, values, listed=(field, value, job) if is_listed else None)


def _rarest(db: sqlite3.Connection, terms: list[_Term], job: _Term) -> _Term | None:
    """The condition to begin with: that which the fewest runs meet."""
    starts = [term for term in terms if term.ordered or term.listed]
    if len(starts) < 2:
        return starts[0] if starts else None

    def runs(term: _Term) -> int:
        if term.listed:
            some, values = f"SELECT 1 FROM listed WHERE {_IN_LIST}", term.listed
        else:
            where = f"{term.condition} AND {job.condition}"
            some = f"SELECT 1 FROM runs INDEXED BY {term.ordered} WHERE {where}"
            values = (*term.values, *job.values)
        return db.execute(f"SELECT count(*) FROM ({some} LIMIT {_MOST_COUNTED})", values).fetchone()[0]

    return min(starts, key=runs)
