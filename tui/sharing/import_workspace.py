"""`import`: what other tools made, recorded as runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.events import Event
    from engine.formats.rounds import Workspace


def import_aflow(folder: Path, store: Path, *, as_json: bool) -> None:
    """Record each search of an AFlow workspace as a run, unless its content is in the store already.

    Raises:
        FormatError: there is no workspace; StoreError: the store cannot be written.
    """
    from engine.exchange.imported import events_of
    from engine.formats.workspace import read_workspaces
    from tui.reports.tables import emit

    for workspace in read_workspaces(folder):
        new = asyncio.run(_record(store, events_of(workspace)))
        data = {
            "run_id": workspace.id,
            "dataset": workspace.dataset,
            "rounds": len(workspace.rounds),
            "best_round": workspace.best.number if workspace.best else None,
            "val_score": workspace.best.score if workspace.best else None,
            "notes": workspace.notes,
            "imported": new,
        }
        emit(data, _sentence(workspace, new), as_json)


def _sentence(workspace: Workspace, new: bool) -> str:
    from tui.format import plural, score
    from tui.safe import one_line

    name = one_line(workspace.dataset, 80)
    if not new:
        return f"{name}: already imported as run {workspace.id}"
    best = workspace.best
    told = f"best round {best.number}, val {score(best.score)}" if best else "no scores"
    notes = f", {plural(len(workspace.notes), 'notice')}" if workspace.notes else ""
    return f"{name}: run {workspace.id}, {plural(len(workspace.rounds), 'round')}, {told}{notes}"


async def _record(store: Path, events: list[Event]) -> bool:
    """Whether the run is new. One that an earlier import did not finish is replaced."""
    from store.errors import RecordError, RunNotFoundError
    from store.reader import Reader
    from store.recorder import Recorder
    from store.retention import delete_run

    run_id = events[0].run_id
    async with Recorder(store) as recorder:
        with Reader(store) as reader:
            try:
                status = reader.run(run_id).status
            except RunNotFoundError:
                status = None
        if status not in (None, "interrupted"):
            return False
        if status == "interrupted":
            await asyncio.to_thread(delete_run, store, run_id)
        try:
            await recorder.record(events[0])
        except RecordError:
            return False  # another import of the same was faster
        # Waiting for all at once lets them share commits.
        await asyncio.gather(*map(recorder.record, events[1:]))
    return True
