"""What recording adds to a run: the same run with and without a recorder, interleaved, in a real sandbox.

The models are scripted and answer at once, so everything but the work of the workbench is left out; with
real models the share is smaller.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.context import RunConfig, Services
from engine.guest_modules import guest_modules
from engine.runner import Run
from sandbox.pool import Pool, open_sandbox
from store.recorder import Recorder
from store.recording import recorded
from tests.support.runs import DOUBLE, TEST_AND_REVISE, wrong_then_right
from tests.support.scripted import ScriptedModel

ROUNDS = 30


def new_run(sandbox: Pool) -> Run:
    models = ScriptedModel("meta", TEST_AND_REVISE), ScriptedModel("worker", wrong_then_right)
    return Run(DOUBLE, RunConfig(), Services(*models, sandbox))


async def timed(run: Run, recorder: Recorder | None) -> tuple[float, int]:
    """Wall seconds and number of events of one run."""
    started, count = time.perf_counter(), 0
    async for _ in recorded(run, recorder) if recorder else run.events():
        count += 1
    return time.perf_counter() - started, count


async def main() -> None:
    plain: list[float] = []
    stored: list[float] = []
    events = 0
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_sandbox(guest_modules=guest_modules()) as sandbox,
            Recorder(Path(folder) / "s.db") as rec,
        ):
            for number in range(ROUNDS + 3):
                bare, events = await timed(new_run(sandbox), None)
                kept, events = await timed(new_run(sandbox), rec)
                if number >= 3:  # the first runs warm containers and caches
                    plain.append(bare)
                    stored.append(kept)
    a, b = statistics.median(plain), statistics.median(stored)
    share = statistics.median(s / p - 1 for s, p in zip(stored, plain, strict=True))
    print(f"run without recording: median {a * 1e3:.1f} ms of {events} events")
    print(f"run with recording:    median {b * 1e3:.1f} ms")
    print(f"recording adds {share * 100:+.1f} % (median of paired runs; limit 2 %)")


if __name__ == "__main__":
    asyncio.run(main())
