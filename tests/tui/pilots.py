"""Helpers for tests that drive the app: stores with runs, waiting for states, a frozen clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from textual.css.query import NoMatches
from textual.pilot import Pilot

from engine.events import Event
from store.recorder import Recorder
from tests.support.stores import begin_store
from tests.tui.scripted import ScriptedWorkbench
from tui.app import WorkbenchApp
from tui.widgets.text_view import TextView

WIDE = (160, 48)
SMALL = (80, 24)


def app_of(workbench: ScriptedWorkbench, **options: Any) -> WorkbenchApp:
    """The app with a clock that stands still, unless another is given."""
    return WorkbenchApp(workbench, **{"clock": lambda: 100.0, **options})


async def until(pilot: Pilot[Any], condition: Callable[[], object], patience_s: float = 300.0) -> None:
    """Wait until `condition` holds; fails with the screen's name when it never does, however slow it is.

    A condition that looks for a widget of a screen that is still being composed does not hold yet.
    """
    deadline = time.monotonic() + patience_s
    while not _holds(condition):
        assert time.monotonic() < deadline, f"gave up waiting on screen {pilot.app.screen!r}"
        await asyncio.sleep(0.02)  # less work than the pilot's pause, which asks every widget
    await pilot.pause()


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except NoMatches:
        return False


async def record(path: Path, runs: Iterable[list[Event]]) -> None:
    """Store whole runs. Not event by event, each of which would be a transaction of its own."""
    begin_store(path)
    async with Recorder(path) as recorder:
        for events in runs:
            await asyncio.gather(*map(recorder.record, events))


def told(app: WorkbenchApp) -> list[str]:
    """What the app has notified the user of."""
    return [notification.message for notification in app._notifications]


def shown(app: WorkbenchApp, id: str) -> str:
    """What a pane shows, row by row."""
    return "\n".join(row.text for row in app.screen.query_one(f"#{id}", TextView)._rows)
