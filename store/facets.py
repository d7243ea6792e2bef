"""Facets: by what the runs of a filter differ, with how many there are of each."""

from __future__ import annotations

from typing import NamedTuple

from store import search as fulltext
from store.reading import ReadConnection
from store.run_conditions import source_of
from store.run_filter import RunFilter

MOST_COUNTED = 10_000
_MOST_VALUES = 50  # of a field
FACETS = ("status", "variant", "benchmark", "label")

# One pass over the newest matches, in the order of the list of runs: it costs what a page of that does. The
# labels are looked up run by run (CROSS JOIN keeps that order), since all labels there are may be a million.
_COUNTS = """
WITH matching AS MATERIALIZED (
  {matching}
)
SELECT '' AS facet, '' AS value, count(*) FROM matching
UNION ALL SELECT 'status', status, count(*) FROM matching GROUP BY 2
UNION ALL SELECT 'variant', variant, count(*) FROM matching GROUP BY 2
UNION ALL SELECT 'benchmark', benchmark, count(*) FROM matching WHERE benchmark IS NOT NULL GROUP BY 2
UNION ALL SELECT 'label', a.value, count(*) FROM matching m
  CROSS JOIN annotations a ON a.run_id = m.id AND a.kind = 'label' GROUP BY 2
ORDER BY 3 DESC, 2
"""


class Facets(NamedTuple):
    """(value, runs) for each facet, the most frequent first. The newest `counted` matches were counted;
    `is_part` says that there are more.
    """

    values: dict[str, list[tuple[str, int]]]
    counted: int
    is_part: bool


def facets(connection: ReadConnection, wanted: RunFilter, *, failed: bool = False) -> Facets:
    """Count the runs of a filter by status, variant, benchmark and label. Raises StoreError."""
    is_part, run_ids = False, None
    with connection.taken() as db:
        if wanted.search:
            run_ids, is_part = fulltext.matching_runs(db, wanted.search)
        source = source_of(db, wanted, failed=failed, run_ids=run_ids)
        matching = source.sql("runs.id, runs.status, runs.variant, runs.benchmark")
        rows = db.execute(_COUNTS.format(matching=matching), (*source.values, MOST_COUNTED + 1)).fetchall()
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETS}
    counted = 0
    for facet, value, count in rows:
        if facet == "":
            counted = count
        elif len(found[facet]) < _MOST_VALUES:
            found[facet].append((value, count))
    return Facets(found, min(counted, MOST_COUNTED), is_part or counted > MOST_COUNTED)
