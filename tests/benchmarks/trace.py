"""A large trace on the run screen: `python -m tests.benchmarks.trace [--steps 10000]`.

Prints, against the targets: milliseconds from opening to the first rows drawn, the longest callback of the
event loop (CPU time of its own thread) until then, while the rest loads, and while the tree, the timeline and
the events are scrolled, how long the slowest move through the past took, and the memory of the process with
the trace open, beside that of the app before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.tui.pilots import WIDE, app_of, record, until
from tests.tui.scripted import ScriptedWorkbench, long_run
from tui.screens.run.run import RunScreen
from tui.widgets.events_view import EventsView
from tui.widgets.outline_view import OutlineView
from tui.widgets.timeline_view import TimelineView

PAINT_MS, STALL_MS, MEMORY_MB = 500, 100, 200
PATIENCE_S = 400


class Longest:
    """The longest callback the loop has run since `reset`, in CPU seconds."""

    def __init__(self) -> None:
        self.worst = 0.0
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            begun = time.thread_time()
            run(handle)
            self.worst = max(self.worst, time.thread_time() - begun)

        asyncio.Handle._run = timed  # type: ignore[method-assign]

    def take(self) -> float:
        """Milliseconds; starts over."""
        worst, self.worst = self.worst, 0.0
        return worst * 1000


def memory_mb() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def measure(store: Path) -> dict[str, tuple[float, float | None]]:
    """Figures with their targets."""
    figures: dict[str, tuple[float, float | None]] = {}
    app = app_of(ScriptedWorkbench(store))
    longest = Longest()
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: not app.screen.query_one("#recent").empty.startswith("Reading"))  # type: ignore[attr-defined]
        figures["memory before, MB"] = memory_mb(), None
        longest.take()
        begun = time.perf_counter()
        app.open_trace("last")
        while not (isinstance(app.screen, RunScreen) and _painted(app.screen)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        figures["first rows, ms"] = (time.perf_counter() - begun) * 1000, PAINT_MS
        # Textual styles and lays out a new screen in one go, whatever is on it.
        figures["longest callback, opening the screen, ms"] = longest.take(), None
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.session.state.finished and not screen.session.loading, PATIENCE_S)
        figures["whole trace, ms"] = (time.perf_counter() - begun) * 1000, None
        figures["longest callback while loading, ms"] = longest.take(), STALL_MS
        gc.collect()
        figures["memory with the trace, MB"] = memory_mb(), MEMORY_MB
        for name, view in (("tree", OutlineView), ("timeline", TimelineView), ("events", EventsView)):
            await until(pilot, lambda view=view: screen.query_one(view).count > 1000)
            longest.take()
            await pilot.press("g", *["pagedown"] * 10, "G", *["k"] * 10, "g", *["j"] * 10)
            figures[f"longest callback, scrolling the {name}, ms"] = longest.take(), STALL_MS
            await pilot.press("w")
        figures["slowest move in the past, ms"] = await _scrub(screen), None
        figures["longest callback in the past, ms"] = longest.take(), STALL_MS
        gc.collect()
        figures["memory in the past, MB"] = memory_mb(), MEMORY_MB
    return figures


def _painted(screen: RunScreen) -> bool:
    """Whether rows of the tree are on the screen."""
    outline = screen.query(OutlineView)
    return bool(outline) and outline.first().count > 10 and outline.first().region.area > 0


async def _scrub(screen: RunScreen) -> float:
    """Milliseconds of the slowest of some moves, most of them one event back."""
    session, slowest = screen.session, 0.0
    total = len(session.history)
    for position in (*range(total - 1, total - 40, -1), total // 2, total // 2 - 1, total // 3, 5, total - 3):
        begun = time.perf_counter()
        await session.look_back(position)
        slowest = max(slowest, time.perf_counter() - begun)
    await session.look_back(total)
    return slowest * 1000


def fill(store: Path, steps: int) -> None:
    """Store a run of so many steps."""
    asyncio.run(record(store, [long_run(steps)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    options: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        # In a process of its own: what making the trace takes is not the workbench's memory.
        filling = multiprocessing.get_context("spawn").Process(target=fill, args=(store, options.steps))
        filling.start()
        filling.join()
        figures = asyncio.run(measure(store))
    print(f"a trace of {options.steps:,} steps")
    for name, (value, target) in figures.items():
        print(f"{name:<44}{value:9.1f}" + ("" if target is None else f"   (target ≤ {target})"))


if __name__ == "__main__":
    main()
