"""Running without a screen: events to standard output, artefacts to a folder, an exit code back."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from tui.reports.artefacts import Artefacts
from tui.service.engine_process.server import served
from tui.service.errors import EXIT_BY_STATUS, INTERRUPTED, UNAVAILABLE, say

if TYPE_CHECKING:
    from engine.events import Event
    from tui.service.requests import GivenWorkflow, RunRequest
    from tui.service.runtime import Runtime

Print = Callable[["Event"], None]


def printer(as_json: bool) -> Print:
    """How events are printed: one JSON object a line, or the plain trace."""
    from engine.event_json import to_json
    from tui.reports.plain import PlainTrace

    trace = PlainTrace()

    def show(event: Event) -> None:
        lines = [json.dumps(to_json(event), ensure_ascii=True)] if as_json else trace.lines(event)
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    return show


def run(
    runtime: Runtime,
    request: RunRequest | GivenWorkflow,
    *,
    as_json: bool = False,
    out: Path | None = None,
) -> int:
    """Run the request to its end and return the exit code. SIGINT and SIGTERM cancel it, recorded."""
    try:
        return asyncio.run(_run(runtime, request, printer(as_json), out))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted; everything so far is in the store")
        return INTERRUPTED


async def _run(runtime: Runtime, request: RunRequest | GivenWorkflow, show: Print, out: Path | None) -> int:
    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    from tui.service.asked.open import open_run

    made = Artefacts()
    try:
        # Other terminals may watch and control the run meanwhile.
        async with (
            served(runtime.store_path, runtime.hub),
            aclosing(runtime.record(await open_run(runtime, request))) as events,
        ):
            async for event in events:
                show(event)
                made.add(event)
    finally:
        await runtime.aclose()
    if out is not None:
        made.save(out)
    return EXIT_BY_STATUS.get(made.status, UNAVAILABLE)
