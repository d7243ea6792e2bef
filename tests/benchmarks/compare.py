"""What a comparison takes, by the number of trials: the command, and opening the screen.

    python -m tests.benchmarks.compare [--trials 50000] [--repeats 4] [--stores FOLDER]

Each side has so many trials, once of as many problems and once with repeats; a tenth of it is measured
beside it, and says how the cost grows. Every figure is of a process that does nothing else: its peak memory,
and its processor time, for the screen from the request on. Imports count, but for a screen that was asked for
after both sides were marked, and read meanwhile, on the screen before. Stores found in FOLDER are used again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.trials import Ran, store_experiment

LIMIT_S, LIMIT_MIB = 1.0, 150
KINDS = {"compare": [], "compare --json": ["--json"], "screen": [], "screen, marked": []}


def fill(path: Path, problems: int, repeats: int) -> None:
    """An experiment of two variants whose trials differ in everything that is compared."""
    rng = random.Random(problems)

    def ran(rate: float) -> Ran:
        status = "passed" if rng.random() < rate else "failed"
        return Ran(status, val_score=rng.random(), worker_usd=rng.random(), worker_ms=rng.random() * 1e3)

    trials = {
        label: {f"p{n}": [ran(rate) for _ in range(repeats)] for n in range(problems)}
        for label, rate in (("a", 0.6), ("b", 0.65))
    }
    store_experiment(path, "e", trials)


def peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kib) / 1024


async def screen(path: Path, *, marked: bool) -> float:
    """Seconds of processor time from the request until the comparison is drawn."""
    from tests.tui.pilots import WIDE, app_of
    from tests.tui.scripted import ScriptedWorkbench
    from tui.screens.compare.compare import CompareScreen

    app = app_of(ScriptedWorkbench(path))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        if marked:
            await pilot.press("6")
            await app.workers.wait_for_complete()
            await pilot.press("space", "j", "space")
            await app.workers.wait_for_complete()
        began = time.process_time()
        if marked:
            await pilot.press("c")
        else:
            app.open_comparison(["e"])
        await pilot.pause()
        reading = [worker for worker in app.workers if worker.group == "compare"]
        await app.workers.wait_for_complete(reading)
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen) and app.screen.state.comparison
        return time.process_time() - began


def alone(kind: str, path: Path) -> None:
    """Do this in this process, and say seconds and MiB on the last line of standard error."""
    if kind.startswith("screen"):
        seconds = asyncio.run(screen(path, marked="marked" in kind))
    else:
        from sandbox.command.flowreasoner import main

        sys.argv = ["flowreasoner", "compare", "e", *KINDS[kind]]
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
        seconds = time.process_time()
    print(seconds, peak_mib(), file=sys.stderr)


def measure(kind: str, path: Path) -> tuple[float, float]:
    """Seconds and MiB of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.compare", "--alone", kind, "--store", str(path)]
    environment = os.environ | {"FLOWREASONER_STORE": str(path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stderr.splitlines()[-1].split())
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--stores", type=Path)
    parser.add_argument("--alone", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        alone(args.alone, args.store)
        return
    print(f"{'trials a side':>14} {'repeats':>8} {'':<15} {'CPU s':>6} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for repeats in (1, args.repeats):
            for trials in (args.trials // 10, args.trials):
                path = (args.stores or Path(folder)) / f"compare-{trials}x{repeats}.db"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    fill(path, trials // repeats, repeats)
                for kind in KINDS:
                    seconds, peak = measure(kind, path)
                    over = [f"over {LIMIT_S} s"] * (seconds > LIMIT_S)
                    over += [f"over {LIMIT_MIB} MiB"] * (peak > LIMIT_MIB)
                    print(
                        f"{trials:>14,} {repeats:>8} {kind:<15} {seconds:>6.2f} {peak:>9.0f}"
                        f"  {', '.join(over)}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
