"""What recording adds to a run: the same run with and without a recorder, in turn, in a real sandbox.

Once with the embedded models, as a user runs the bundled example, and once with scripted models that
answer at once, which leaves nothing but the work of the workbench itself and is the worst case.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.benchmarks import find_problem
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.config import Settings
from engine.guest_modules import guest_modules
from engine.models.registry import open_model
from engine.run.context import RunConfig, Services
from engine.runner import Run
from sandbox.pool import Pool, open_sandbox
from store.recorder import Recorder
from store.recording import recorded
from tests.support.runs import DOUBLE, TEST_AND_REVISE, wrong_then_right
from tests.support.scripted import ScriptedModel

ROUNDS = 40
WARM_UP = 3


def scripted(sandbox: Pool) -> Run:
    models = ScriptedModel("meta", TEST_AND_REVISE), ScriptedModel("worker", wrong_then_right)
    return Run(DOUBLE, RunConfig(), Services(*models, sandbox))


async def timed(run: Run, recorder: Recorder | None) -> tuple[float, int]:
    """Wall seconds and number of events of one run."""
    started, count = time.perf_counter(), 0
    async for _ in recorded(run, recorder) if recorder else run.events():
        count += 1
    return time.perf_counter() - started, count


async def compare(name: str, new_run: Callable[[], Run], recorder: Recorder) -> None:
    plain: list[float] = []
    stored: list[float] = []
    events = 0
    for number in range(ROUNDS + WARM_UP):
        first, events = await timed(new_run(), recorder if number % 2 else None)
        second, events = await timed(new_run(), None if number % 2 else recorder)
        if number >= WARM_UP:
            plain.append(second if number % 2 else first)
            stored.append(first if number % 2 else second)
    shares = sorted(100 * (s / p - 1) for s, p in zip(stored, plain, strict=True))
    margin = round(0.98 * len(shares) ** 0.5)  # order statistics around the median that hold 95 %
    low, high = shares[len(shares) // 2 - margin], shares[len(shares) // 2 + margin]
    print(
        f"{name:16} {events:4} events   without {statistics.median(plain) * 1e3:6.0f} ms   "
        f"with {statistics.median(stored) * 1e3:6.0f} ms   "
        f"recording adds {statistics.median(shares):+.1f} % (95 %: {low:+.1f} to {high:+.1f})"
    )


async def main() -> None:
    settings = Settings()
    meta, worker = open_model("pocket-meta", settings), open_model("pocket-worker", settings)
    problem = find_problem("pocket", EXAMPLE_ID)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_sandbox(guest_modules=guest_modules()) as sandbox,
            Recorder(Path(folder) / "store.db") as recorder,
        ):
            services = Services(meta, worker, sandbox)
            await compare("embedded models", lambda: Run(problem, RunConfig(), services), recorder)
            await compare("scripted models", lambda: scripted(sandbox), recorder)
    await meta.aclose()
    await worker.aclose()


if __name__ == "__main__":
    asyncio.run(main())
