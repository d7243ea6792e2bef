"""How soon a stop is seen, and how soon what is asked is done: `python -m tests.benchmarks.pause`.

A run of the embedded models in an engine of its own stands before each of its steps and is stepped on from
another process, as the screens do it. Prints, over all stops, the time from the stop (its event being made)
to the client that follows the run, which includes storing it; and from the client's request to the next stop.
The target for the first is 50 ms.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

from engine.benchmarks import find_problem
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.events import RunPaused
from tui.service.engine_process.client import Client
from tui.service.engine_process.spawn import spawn
from tui.service.records import Records
from tui.service.requests import NewRun

TARGET_MS = 50.0


async def measure(store: Path) -> tuple[list[float], list[float]]:
    """Milliseconds from each stop to its being seen, and from each request to the next stop being seen."""
    request = NewRun(
        problem=find_problem("pocket", EXAMPLE_ID),
        variant="flowreasoner",
        meta_agent="pocket-meta",
        worker="pocket-worker",
        rounds=1,
        seed=0,
        repeats=1,
        breakpoints=("before *",),
    )
    path = await asyncio.to_thread(spawn, store)
    seen: list[float] = []
    went: list[float] = []
    try:
        async with Client(path) as follower, Client(path) as asker:
            run_id = await asker.start(request)
            asked: float | None = None
            async for event in follower.events(run_id, Records(store)):
                if isinstance(event, RunPaused):
                    now = time.time()
                    seen.append((now - event.at) * 1e3)
                    if asked is not None:
                        went.append((now - asked) * 1e3)
                    asked = time.time()
                    await asker.ask("step", run=run_id, how="into")
    finally:
        os.kill(int(path.stem), signal.SIGTERM)
    return seen, went


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen, went = asyncio.run(measure(Path(folder) / "store.db"))
    worst = max(seen)
    print(
        f"{len(seen)} stops, seen after: median {statistics.median(seen):.1f} ms, worst {worst:.1f} ms",
        end="",
    )
    print(f" ({worst / TARGET_MS:.2f} of the {TARGET_MS:g} ms allowed)")
    print(f"from asking for the next stop to seeing it: median {statistics.median(went):.1f} ms")


if __name__ == "__main__":
    main()
