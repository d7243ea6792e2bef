"""Clusters and their runs, as rows of the screen's tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tui import format as fmt
from tui.reports.failures import name_of
from tui.safe import one_line
from tui.trace.marks import status_mark
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from store.annotations import Annotation
    from store.failures import Cluster, Grouping
    from store.rows import RunRow

CLUSTER_COLUMNS = (
    Column("Runs", "number"),
    Column("Share", "number", rank=2),
    Column("Cluster", least=24, most=400),
    Column("Last seen", "time", rank=1),
)
RUN_COLUMNS = (
    Column("", least=1),
    Column("Started", "time", rank=2),
    Column("Problem", "name", least=14),
    Column("Variant", "name", least=11, rank=3),
    Column("Marks", least=10, most=200, rank=1),
)


def cluster_row(by: Grouping, cluster: Cluster, *, watched: bool = False) -> TableRow:
    """A cluster for `CLUSTER_COLUMNS`; an eye before its name says that it is watched."""
    cells = (
        (f"{cluster.runs:,}", "title"),
        (f"{cluster.share * 100:.0f}%", "muted"),
        (f"{'◉ ' if watched else ''}{one_line(_told(by, cluster.key), 400)}", ""),
        (fmt.day_time(cluster.last_seen), "muted"),
    )
    return TableRow(cluster.key, cells)


def _told(by: Grouping, key: str) -> str:
    """A cluster's name."""
    return fmt.signature(key) if by == "signature" and ": " in key else name_of(by, key)


def run_row(run: RunRow, said: list[Annotation]) -> TableRow:
    """A run for `RUN_COLUMNS`; a star before its problem says that it has a bookmark."""
    glyph, ink, _ = status_mark(run.status)
    starred = any(a.kind == "bookmark" for a in said)
    cells = (
        (glyph, ink),
        (fmt.day_time(run.started_at), "muted"),
        (f"{'★ ' if starred else ''}{one_line(run.problem_id, 200)}", ""),
        (one_line(run.variant, 200), "muted"),
        (one_line(fmt.marks_of([a for a in said if a.kind != "bookmark"]), 60), "accent"),
    )
    return TableRow(run.id, cells)


def choices(its: Collection[str], used: Mapping[str, int], known: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names to pick, each with what it means and on how many runs it is; first those that the run has."""

    def told(name: str) -> str:
        count = fmt.plural(used[name], "run") if name in used else ""
        return " · ".join(
            filter(None, ("this run has it" if name in its else "", known.get(name, ""), count))
        )

    names = sorted({*used, *known}, key=lambda n: (n not in its, -used.get(n, 0), n))
    return [(name, told(name)) for name in names]
