"""Failed runs in clusters, and what a glance at one of them needs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from engine.events import Event, WorkflowFinished
from store import bundles, payloads
from store.annotations import Annotation, AnnotationReader
from store.errors import StoreError
from store.reading import ReadConnection
from store.rows import FAILED

if TYPE_CHECKING:
    from engine.failures import Finding

Grouping = Literal["signature", "problem", "operator", "variant", "label", "benchmark"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
NO_LABEL = ""  # the cluster of runs that no label says anything about

_NEAR = 20  # how many ends of executions before a verdict are searched for the one it is about
_FAILED = f"runs.status IN ({', '.join(map(repr, FAILED))})"
_SEEN = "count(*), max(runs.id), min(runs.started_at), max(runs.started_at)"
# A signature begins with where the run failed (`store.texts.error_signature`).
_WHERE = "substr(runs.error_sig, 1, instr(runs.error_sig, ': ') - 1)"


class Cluster(NamedTuple):
    """Runs that failed alike. `share` is of all failed runs, 0 to 1; those of labels overlap.

    `key` is what they have in common: the signature, the label (`NO_LABEL` without any), the variant, the
    problem, the benchmark ("" for none), or who failed (`engine.failures.diagnosis`): an operator by its
    name, or "worker's code", "workflow", "meta-agent", "sandbox", "endpoint", "judge", "run". `example` is
    the newest run; times are Unix seconds.
    """

    key: str
    runs: int
    share: float
    example: str
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """The largest clusters first, and how many runs failed in `total`; small clusters may be left out."""

    clusters: tuple[Cluster, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Peek:
    """A failed run at a glance: why, where, and on what.

    `asked` is the run's first event, with its problem; `answer` the end of the execution that went worst, and
    `evaluation` its verdict; `step` are the events of the step that failed, or that wrote the answer. Each is
    empty, or None, where there is none. `workflow` is the scored one, or the last proposed, `line` where to
    look in it.
    """

    asked: Event | None
    answer: Event | None

    findings: tuple[Finding, ...]
    annotations: tuple[Annotation, ...]
    step: tuple[Event, ...]
    evaluation: Event | None
    workflow: Event | None
    line: int | None


class FailureReader:
    """Reads failed runs. Every method raises StoreError where the file cannot be read."""

    def __init__(self, connection: ReadConnection, annotations: AnnotationReader) -> None:
        self._connection = connection
        self._annotations = annotations

    def clusters(
        self,
        by: Grouping = "signature",
        *,
        experiment: str | None = None,
        since: float | None = None,
        limit: int = 100,
    ) -> Clusters:
        """The `limit` largest clusters of runs that failed, the largest first.

        Only runs of `experiment`, and only those since `since` (Unix seconds), where they are given. Rollouts
        of training jobs, which fail by the thousand, are left out.
        """
        with self._connection.taken() as db:
            if experiment is None and since is None:
                return _counted(db, by, limit)
            scope, values = _scope(experiment, since)
            count, query = (
                f"SELECT count(*) FROM runs WHERE {_FAILED}{scope}",
                _QUERIES[by].format(scope=scope),
            )
            if experiment is not None:
                # Its runs are fewer than those that an index of all has.
                query = query.replace(" INDEXED BY runs_by_signature", "")
                listed = _listed(since)
                count = f"SELECT count(*) {listed.format(join='')} AND {_IS_FAILED}"
                query = _LABELS.format(listed=listed.format(join=_WITH_LABELS)) if by == "label" else query
            total = db.execute(count, values).fetchone()[0]
            rows = db.execute(f"{query} ORDER BY 2 DESC, 1 LIMIT ?", (*values, limit))
            largest = [Cluster(key or "", n, n / max(total, 1), *rest) for key, n, *rest in rows]
            if by == "label" and (unlabelled := _unlabelled(db, experiment, since, total)):
                largest = sorted([*largest, unlabelled], key=lambda c: -c.runs)[:limit]
        return Clusters(tuple(largest), total)

    def peek(self, run_id: str) -> Peek:
        """A failed run at a glance; reads a few rows, however long the run was."""
        findings = self._annotations.findings(run_id)
        annotations = self._annotations.of([run_id]).get(run_id, [])
        with self._connection.taken() as db:
            step = _failed_step(db, run_id, findings)
            evaluation = db.execute(
                "SELECT seq, execution_id FROM evaluations WHERE run_id = ? AND (score IS NULL OR score < 1)"
                " ORDER BY split = 'test' DESC, score IS NOT NULL, score, seq DESC LIMIT 1",
                (run_id,),
            ).fetchone()
            proposal = db.execute(
                "SELECT p.seq FROM proposals p JOIN runs r ON r.id = p.run_id WHERE p.run_id = ?"
                " ORDER BY p.workflow_id IS r.workflow_id DESC, p.seq DESC LIMIT 1",
                (run_id,),
            ).fetchone()
            of_workflow = (f.line for f in findings if f.line and "the answer's" not in f.text)
            return Peek(
                asked=_first(db, run_id),
                answer=_answer(db, run_id, evaluation),
                findings=findings,
                annotations=tuple(annotations),
                step=tuple(_event(db, run_id, seq) for seq in step[1:] if seq is not None) if step else (),
                evaluation=_event(db, run_id, evaluation[0]) if evaluation else None,
                workflow=_event(db, run_id, proposal[0]) if proposal else None,
                line=next(of_workflow, step[0] if step else None),
            )


def _first(db: sqlite3.Connection, run_id: str) -> Event | None:
    row = db.execute("SELECT min(seq) FROM events WHERE run_id = ?", (run_id,)).fetchone()
    return bundles.event_at(db, run_id, row[0]) if row[0] is not None else None


def _answer(db: sqlite3.Connection, run_id: str, evaluation: tuple[int, str | None] | None) -> Event | None:
    """The end of the execution that was evaluated: it comes shortly before its verdict."""
    if evaluation is None:
        return None
    ends = bundles.rows_before(db, run_id, evaluation[0], WorkflowFinished.kind, _NEAR)
    events = (payloads.decode(db, row) for row in ends)
    return next(
        (e for e in events if isinstance(e, WorkflowFinished) and e.execution_id == evaluation[1]), None
    )


def _failed_step(
    db: sqlite3.Connection, run_id: str, findings: tuple[Finding, ...]
) -> tuple[int | None, int, int | None] | None:
    """Line and events of the step the first finding is about, or else of the last that failed."""
    select = "SELECT line, started_seq, finished_seq FROM steps WHERE run_id = ?"
    blamed = next((f.step_id for f in findings if f.step_id), None)
    if blamed is not None:
        return db.execute(f"{select} AND id = ?", (run_id, blamed)).fetchone()
    bad = "AND status NOT IN ('ok', 'running', 'interrupted', 'cancelled') ORDER BY finished_seq DESC LIMIT 1"
    return db.execute(f"{select} {bad}", (run_id,)).fetchone()


def _event(db: sqlite3.Connection, run_id: str, seq: int) -> Event:
    event = bundles.event_at(db, run_id, seq)
    if event is None:
        raise StoreError(f"Event {seq} of run {run_id} is missing; restore a copy of the store.")
    return event


def _scope(experiment: str | None, since: float | None) -> tuple[str, list[Any]]:
    scope, values = " AND runs.job IS NULL", []  # not rollouts of training
    if experiment is not None:
        # With the sign, SQLite begins at the experiment's runs rather than at all that are no rollouts.
        scope = " AND +runs.job IS NULL AND runs.id IN (SELECT run_id FROM origins WHERE experiment = ?)"
        values.append(experiment)
    if since is not None:
        scope += " AND runs.started_at >= ?"
        values.append(since)
    return scope, values


def _listed(since: float | None) -> str:
    """The runs of an experiment that are no rollouts, in the order of lists and without their rows."""
    later = "" if since is None else " AND l.started_at >= ?"
    return f"FROM listed l{{join}} WHERE l.field = 'experiment' AND l.value = ? AND l.job = ''{later}"


def _unlabelled(
    db: sqlite3.Connection, experiment: str | None, since: float | None, total: int
) -> Cluster | None:
    """The failed runs without a label, which are listed as such."""
    values = [value for value in (experiment, since) if value is not None]
    if experiment is None:
        query = f"SELECT {_SEEN_LISTED} FROM listed l WHERE {_UNLABELLED} AND l.started_at >= ?"
    else:
        is_one = (
            f"SELECT 1 FROM listed n WHERE {_UNLABELLED.replace('l.', 'n.')} AND n.started_at = l.started_at"
        )
        within = f"{_listed(since).format(join='')} AND EXISTS ({is_one} AND n.run_id = l.run_id)"
        query = f"SELECT {_SEEN_LISTED} {within}"
    row = db.execute(query, values).fetchone()
    return Cluster(NO_LABEL, row[0], row[0] / max(total, 1), *row[1:]) if row[0] else None


def _counted(db: sqlite3.Connection, by: Grouping, limit: int) -> Clusters:
    """The clusters of all failed runs, which are counted as they are recorded (`store.list_tables`)."""
    counted = "SELECT value, runs FROM counts WHERE field = ? AND runs > 0"
    total = sum(runs for _, runs in db.execute(counted, ("failed",)))
    if by == "operator":
        parts: dict[str, list[Cluster]] = {}
        for signature, runs in db.execute(counted, ("signature",)).fetchall():
            seen = _seen(db, "signature", signature, runs, total)
            parts.setdefault(signature.partition(": ")[0], []).append(seen)
        all_clusters = [_joined(place, clusters, total) for place, clusters in parts.items()]
        largest = sorted(all_clusters, key=lambda c: (-c.runs, c.key))[:limit]
    else:
        rows = db.execute(f"{counted} ORDER BY runs DESC, value LIMIT ?", (by, limit)).fetchall()
        largest = [_seen(db, by, value, runs, total) for value, runs in rows]
    return Clusters(tuple(largest), total)


def _seen(db: sqlite3.Connection, by: Grouping, key: str, runs: int, total: int) -> Cluster:
    """A cluster with its first and its last run, which an index has at its two ends."""
    select = f"SELECT started_at, {'run_id' if by == 'label' else 'id'} FROM {_ENDS[by]}"
    value = key or None if by == "benchmark" else key
    (last, example), (first, _) = (
        db.execute(f"{select} ORDER BY 1 {order}, 2 {order} LIMIT 1", (value,)).fetchone() or (0.0, "")
        for order in ("DESC", "ASC")
    )
    return Cluster(key, runs, runs / max(total, 1), example, first, last)


def _joined(key: str, parts: list[Cluster], total: int) -> Cluster:
    runs = sum(part.runs for part in parts)
    newest = max(parts, key=lambda part: (part.last_seen, part.example))
    first = min(part.first_seen for part in parts)
    return Cluster(key, runs, runs / max(total, 1), newest.example, first, newest.last_seen)


_SEEN_LISTED = "count(*), max(l.run_id), min(l.started_at), max(l.started_at)"
_UNLABELLED = "l.field = 'label' AND l.value = '' AND l.job = ''"
_IS_FAILED = (
    "EXISTS (SELECT 1 FROM runs INDEXED BY runs_failed WHERE runs.job IS NULL"
    f" AND runs.started_at = l.started_at AND runs.id = l.run_id AND {_FAILED})"
)
_WITH_LABELS = " CROSS JOIN annotations a ON a.run_id = l.run_id AND a.kind = 'label'"
_LABELS = f"SELECT a.value, {_SEEN_LISTED} {{listed}} GROUP BY a.value"
_OF_FAILED = f"WHERE {_FAILED} AND job IS NULL"
_ENDS: dict[Grouping, str] = {
    "signature": "runs INDEXED BY runs_by_signature WHERE job IS NULL AND error_sig = ?",
    "label": "listed WHERE field = 'label' AND job = '' AND value = ?",
    "problem": f"runs INDEXED BY runs_failed_by_problem {_OF_FAILED} AND problem_id = ?",
    "variant": f"runs INDEXED BY runs_failed_by_variant {_OF_FAILED} AND variant = ?",
    "benchmark": f"runs INDEXED BY runs_failed_by_benchmark {_OF_FAILED} AND benchmark IS ?",
}
_QUERIES: dict[Grouping, str] = {
    "signature": f"SELECT runs.error_sig, {_SEEN} FROM runs INDEXED BY runs_by_signature"
    " WHERE runs.error_sig IS NOT NULL{scope} GROUP BY runs.error_sig",
    "operator": f"SELECT {_WHERE}, {_SEEN} FROM runs INDEXED BY runs_by_signature"
    " WHERE runs.error_sig IS NOT NULL{scope} GROUP BY 1",
    # From the runs in question to their labels: all labels there are may be a million.
    "label": f"SELECT a.value, {_SEEN} FROM runs CROSS JOIN annotations a ON a.run_id = runs.id"
    " WHERE a.kind = 'label'{scope} GROUP BY a.value",
    "problem": f"SELECT runs.problem_id, {_SEEN} FROM runs WHERE {_FAILED}{{scope}} GROUP BY runs.problem_id",
    "variant": f"SELECT runs.variant, {_SEEN} FROM runs WHERE {_FAILED}{{scope}} GROUP BY runs.variant",
    "benchmark": f"SELECT runs.benchmark, {_SEEN} FROM runs WHERE {_FAILED}{{scope}} GROUP BY runs.benchmark",
}
