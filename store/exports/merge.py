"""The runs of a job's own store, copied into the workbench's by run id.

The other store may come from another machine: each of its events is checked as those of a bundle are, and
passes through the same projections as any event that is recorded here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from engine.events import Event, RunFinished
from store.db import open_writer, write
from store.errors import StoreError
from store.exports.bundle_shapes import BUNDLE_RUN_ID, ShapeError, check_event
from store.interrupted import mark_interrupted
from store.projections import add
from store.reader import Reader
from store.recorder import UNSUITABLE

STORE = "store.db"


@dataclass
class Merged:
    """Ids of the runs that are new here, and why others could not be taken over, by id."""

    new: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def merge_runs(
    db: sqlite3.Connection, run_dir: Path, *, over: bool, refused: frozenset[str] = frozenset()
) -> Merged:
    """Copy every run of the job's store that has ended and is not here; `refused` are not tried again.

    Once the job is `over`, runs that its death cut off are ended first. Each run is stored in one
    transaction, so that a merge which is cut off leaves no half of one. A run whose events fail the check is
    in `Merged.refused`.

    Raises:
        StoreError: the job's store cannot be read.
        sqlite3.Error: ours cannot be written.
    """
    merged = Merged()
    path = run_dir / STORE
    if not path.exists():
        return merged
    if over:
        with closing(open_writer(path)) as job_db:
            mark_interrupted(job_db)
    with Reader(path) as source:
        for run_id in _missing(db, source.ended_runs()):
            if run_id in refused:
                continue
            try:
                if _take_over(db, source, run_id):
                    merged.new.append(run_id)
            except (StoreError, *UNSUITABLE) as error:
                merged.refused[run_id] = str(error) or type(error).__name__
    return merged


def _missing(db: sqlite3.Connection, run_ids: list[str]) -> list[str]:
    query = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM runs)"
    return [run_id for (run_id,) in db.execute(query, (json.dumps(run_ids),))]


def _take_over(db: sqlite3.Connection, source: Reader, run_id: str) -> bool:
    """Whether the run was not here yet."""
    if not BUNDLE_RUN_ID.fullmatch(run_id):
        raise ShapeError("its id is none")
    with write(db):
        if db.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone():
            return False
        add(db, _checked(source.events(run_id), run_id))
    return True


def _checked(events: Iterator[Event], run_id: str) -> Iterator[Event]:
    last: Event | None = None
    for event in events:
        check_event(event, run_id, last)
        last = event
        yield event
    if not isinstance(last, RunFinished):
        raise ShapeError("it has no end")
