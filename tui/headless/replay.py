"""Printing a recorded run at its original pace or faster, from the store alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from tui.format import duration
from tui.service.errors import EXIT_BY_STATUS, INTERRUPTED, UNAVAILABLE
from tui.trace.pace import Pace, paced

if TYPE_CHECKING:
    from engine.events import Event


def replay_run(store: Path, run_id: str, speed: float, *, as_json: bool) -> int:
    """Print a run of the store at this speed; its exit code. Raises StoreError."""
    try:
        return asyncio.run(_replay(store, run_id, speed, as_json))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _replay(store: Path, run_id: str, speed: float, as_json: bool) -> int:
    from engine.events import RunFinished
    from tui.headless.run import printer
    from tui.service.records import Records

    records, shown = Records(store), printer(as_json)

    async def events() -> AsyncIterator[Event]:
        async for chunk in records.events(row.id):
            for event in chunk:
                yield event

    def shortened(seconds: float) -> None:
        sys.stderr.write(f"({duration(seconds * 1000)} without an event, shortened to two seconds)\n")

    try:
        row = await records.run(run_id)
        status = row.status
        async for event in paced(events(), Pace(speed), shortened):
            shown(event)
            status = event.status if isinstance(event, RunFinished) else status
    finally:
        await records.aclose()
    return EXIT_BY_STATUS.get(status, UNAVAILABLE)
