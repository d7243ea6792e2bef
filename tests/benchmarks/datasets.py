"""What building a data set takes: time and memory, for stores of several sizes.

    python -m tests.benchmarks.datasets [--runs N ...]

Every run has two rounds; prompts have the length of real ones. The peak of memory should hardly grow with the
number of runs.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.store.samples import store
from tests.support.meta_runs import CODES, Wrote, meta_run, problem

_PROBLEMS = 200
_RECORDED = 500
_BUILD = """
import json, resource, sys, time
from pathlib import Path
from engine.config import Settings
from training.data import BuildOptions, Source, build
kind, folder = sys.argv[1], Path(sys.argv[2])
options = BuildOptions(against=("pocket",))
began = time.process_time()
report = build(kind, Source(Settings(store=folder / "store.db", endpoints={}), ""), folder / kind, options)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([report.rows, time.process_time() - began, usage.ru_maxrss / 1024]))
"""


def fill(path: Path, runs: int) -> None:
    """Put so many runs into a new store: some recorded ones, then copies of them under other ids."""
    rng, events = Random(1), []
    for n in range(min(runs, _RECORDED)):
        wrote = [
            Wrote(rng.randint(0, 4) / 4, rng.choice(CODES), reasoning=f"Thought {rng.random()}. " * 30)
            for _ in range(2)
        ]
        events += meta_run(f"r{n:08}", wrote, of=problem(f"p{n % _PROBLEMS}"), at=10.0 * n)
    store(path, events)
    db = sqlite3.connect(path)
    with db:
        for table, own in (("runs", "id"), ("events", "run_id"), ("model_calls", "run_id")):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            kept = [c for c in columns if (table, c) != ("events", "id")]
            taken = [f"{c} || '-' || ?" if c == own else c for c in kept]
            copy = f"INSERT INTO {table}({', '.join(kept)}) SELECT {', '.join(taken)} FROM {table}"
            for number in range(1, max(1, runs // _RECORDED)):
                db.execute(f"{copy} WHERE {own} NOT LIKE '%-%'", (number,))
    db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[500, 2_000])
    options = parser.parse_args()
    print(f"{'runs':>8} {'kind':6} {'rows':>8} {'CPU s':>8} {'runs/s':>8} {'peak MiB':>9}")
    for runs in options.runs:
        with TemporaryDirectory() as name:
            began = time.monotonic()
            fill(Path(name) / "store.db", runs)
            print(f"{runs:>8} (store made in {time.monotonic() - began:.0f} s)", file=sys.stderr)
            for kind in ("sft", "dpo", "grpo"):
                command = [sys.executable, "-c", _BUILD, kind, name]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                rows, seconds, peak = json.loads(done.stdout)
                print(f"{runs:>8} {kind:6} {rows:>8} {seconds:>8.1f} {runs / seconds:>8.0f} {peak:>9.0f}")


if __name__ == "__main__":
    main()
