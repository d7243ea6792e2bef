"""What `failures` and `annotate` print: clusters, why a run failed, and what is said of runs."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.format import day_time, marks_of, plural, score
from tui.reports.tables import emit, table
from tui.safe import one_line
from tui.service.errors import say

if TYPE_CHECKING:
    from engine.failures import Finding
    from store.annotations import Annotation
    from store.failures import Cluster, Grouping
    from store.reader import Reader
    from store.rows import RunRow

_ALL = 1_000_000
_TELL_FROM = 200  # so many runs to label take long enough for people to wonder
# Groupings that say the same in other words of runs without a value.
_NOTHING = {"label": "(no label)", "benchmark": "(none)"}
_PLACES = {"evaluation": "(hidden tests)", "run": "(the run itself)"}


def print_clusters(
    path: Path, by: Grouping, *, experiment: str | None, since: float | None, limit: int, as_json: bool
) -> None:
    """`flowreasoner failures`. Raises StoreError."""
    from store.reader import Reader

    with Reader(path) as reader:
        if experiment is not None:
            reader.experiments.named(experiment)
        label_new(path, reader, everything=by == "label")
        found = reader.failures.clusters(by, experiment=experiment, since=since, limit=limit)
    if as_json:
        for cluster in found.clusters:
            emit({"cluster": handle(cluster.key), "by": by, **cluster._asdict()}, "", True)
        return
    if not found.clusters:
        emit(None, "no failed runs" + (" match" if experiment or since else ""), False)
        return
    head = ("cluster", "runs", "share", "first seen", "last seen", "example", by)
    emit(None, table(head, [_cluster_cells(by, c) for c in found.clusters]), False)
    shown = f", the {limit} largest clusters; --limit shows more" if len(found.clusters) == limit else ""
    emit(None, f"{plural(found.total, 'failed run')}{shown}; `failures CLUSTER` lists one cluster's", False)


def print_cluster(path: Path, by: Grouping, wanted: str, *, limit: int, as_json: bool) -> None:
    """`flowreasoner failures CLUSTER-or-RUN`. Raises StoreError."""
    from store.reader import Reader

    with Reader(path) as reader:
        by, key, run = find_cluster(reader, by, wanted)
        if run is not None:
            label_new(path, reader, only=[run.id])
            _print_why(reader, run, as_json=as_json)
            if key is None:
                return
        page = reader.runs(cluster=(by, key or ""), limit=limit)
        label_new(path, reader, only=[row.id for row in page.rows])
        said = reader.annotations.of([row.id for row in page.rows])
    if as_json:
        for row in page.rows if run is None else ():
            labels = [a.value for a in said.get(row.id, []) if a.kind == "label"]
            emit({**dataclasses.asdict(row), "labels": labels}, "", True)
        return
    if run is None:
        emit(None, f"{by}: {one_line(name_of(by, key or ''), 300)}", False)
    else:
        emit(None, "\nruns with the same failure", False)
    head = ("run", "started", "status", "variant", "problem", "marks", "error")
    emit(None, table(head, [_run_cells(row, said.get(row.id, [])) for row in page.rows]), False)
    if page.next_cursor:
        emit(None, f"the newest {limit} are shown; --limit shows more", False)


def print_forks(path: Path, by: Grouping, wanted: str, *, limit: int, as_json: bool) -> None:
    """`flowreasoner failures CLUSTER-or-RUN --forks`. Raises StoreError."""
    from store.reader import Reader
    from tui.service.asked.forked import forks_beside, result_line

    with Reader(path) as reader:
        by, key, run = find_cluster(reader, by, wanted)
        if run is not None:
            found = forks_beside(reader, run.id, limit=limit)
        else:
            found = reader.forks(cluster=(by, key or ""), limit=limit)
    if as_json:
        for run, fork in found:
            emit({"run": dataclasses.asdict(run), "fork": dataclasses.asdict(fork)}, "", True)
        return
    if not found:
        emit(None, "none of these runs was forked or run again; `fork --cluster` forks them", False)
        return
    head = ("run", "before", "fork", "started", "now", "variant", "problem")
    emit(None, table(head, [_fork_cells(run, fork) for run, fork in found]), False)
    shown = f"; the newest {limit} are shown, --limit shows more" if len(found) == limit else ""
    emit(None, result_line(fork.status for _, fork in found) + shown, False)


def print_annotations(path: Path, run_ids: list[str], *, as_json: bool) -> None:
    """What is said of these runs now. Raises StoreError."""
    from store.reader import Reader

    with Reader(path) as reader:
        said = reader.annotations.of(run_ids)
    for run_id in run_ids:
        its = said.get(run_id, [])
        if as_json:
            emit({"run": run_id, "annotations": [dataclasses.asdict(a) for a in its]}, "", True)
            continue
        emit(None, run_id if its else f"{run_id}: no annotations", False)
        for a in its:
            by = " (automatic)" if a.source == "auto" else ""
            emit(None, f"  {a.kind}{': ' if a.value else ''}{one_line(a.value, 500)}{by}", False)


def find_cluster(reader: Reader, by: Grouping, wanted: str) -> tuple[Grouping, str | None, RunRow | None]:
    """The cluster meant by its name, its short id, or a run in it; None as its key where the run failed
    like no other. Raises StoreError.
    """
    from store.errors import RunNotFoundError, StoreError
    from store.failures import GROUPINGS

    for grouping in dict.fromkeys((by, *GROUPINGS)):
        for cluster in reader.failures.clusters(grouping, limit=_ALL).clusters:
            if wanted in (cluster.key, handle(cluster.key)) and wanted:
                return grouping, cluster.key, None
    try:
        run = reader.run(wanted)
    except RunNotFoundError:
        raise StoreError(
            f"There is no cluster or run {one_line(wanted, 80)!r}; `failures` lists the clusters."
        ) from None
    return "signature", run.error_sig, run


def handle(key: str) -> str:
    """A cluster's short id: easier to type than a signature, and the same tomorrow."""
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=3).hexdigest()


def name_of(by: Grouping, key: str) -> str:
    """A cluster's key as people read it."""
    if by == "operator":
        return _PLACES.get(key, key)
    return key or _NOTHING.get(by, "")


def label_new(path: Path, reader: Reader, *, everything: bool = False, only: list[str] | None = None) -> None:
    """Label failed runs that were recorded by an older version or imported: `only` these, `everything`, or
    as many as take a moment. A store that cannot be written is read as it is.
    """
    from store.annotations import classify_runs
    from store.errors import StoreError

    waiting = reader.annotations.unclassified(-1 if everything or only is not None else _TELL_FROM)
    if only is not None:
        waiting = [run_id for run_id in waiting if run_id in set(only)]
    if not waiting:
        return
    if len(waiting) > _TELL_FROM:
        say(f"labelling {plural(len(waiting), 'failed run')}, once")
    try:
        for _ in classify_runs(path, waiting):
            pass
    except StoreError as error:
        say(f"some runs could not be labelled: {error}")


def evidence_lines(findings: tuple[Finding, ...], *, steps: bool = True) -> list[str]:
    """Each finding as a line, its quote below it; `steps` says whether the ids of steps are told."""
    from engine.failures import LABELS

    lines: list[str] = []
    label = ""
    for finding in findings:
        if finding.label != label:
            label = finding.label
            lines.append(f"{label}: {LABELS.get(label, '')}")
        where = f" (line {finding.line})" if finding.line else ""
        step = f" [step {finding.step_id}]" if finding.step_id and steps else ""
        lines.append(f"  {one_line(finding.text, 240)}{where}{step}")
        if finding.quote:
            lines.append(f"    | {one_line(finding.quote, 240)}")
    return lines


def _print_why(reader: Reader, run: RunRow, *, as_json: bool) -> None:
    findings = reader.annotations.findings(run.id)
    said = reader.annotations.of([run.id]).get(run.id, [])
    if as_json:
        data: dict[str, Any] = {**dataclasses.asdict(run), "findings": [f.to_json() for f in findings]}
        emit({**data, "annotations": [dataclasses.asdict(a) for a in said]}, "", True)
        return
    lines = [f"run {run.id}: {run.status}, {one_line(run.variant, 60)} on {one_line(run.problem_id, 60)}"]
    if run.error:
        lines.append(one_line(run.error, 300))
    lines += evidence_lines(findings) or ["no label applies"]
    lines += [f"note: {one_line(a.value, 500)}" for a in said if a.kind == "note"]
    sys.stdout.write("\n".join(lines) + "\n")


def _cluster_cells(by: Grouping, cluster: Cluster) -> tuple[str, ...]:
    return (
        handle(cluster.key),
        f"{cluster.runs:,}",
        f"{cluster.share * 100:.0f}%",
        day_time(cluster.first_seen),
        day_time(cluster.last_seen),
        cluster.example,
        one_line(name_of(by, cluster.key), 160),
    )


def _run_cells(row: RunRow, said: list[Annotation]) -> tuple[str, ...]:
    return (
        row.id,
        day_time(row.started_at),
        row.status,
        one_line(row.variant, 30),
        one_line(row.problem_id, 32),
        marks_of(said),
        one_line(row.error or "", 100),
    )


def _fork_cells(run: RunRow, fork: RunRow) -> tuple[str, ...]:
    return (
        run.id,
        _outcome(run),
        fork.id,
        day_time(fork.started_at),
        _outcome(fork),
        one_line(run.variant, 30),
        one_line(run.problem_id, 60),
    )


def _outcome(run: RunRow) -> str:
    return run.status if run.score is None else f"{run.status} {score(run.score)}"
