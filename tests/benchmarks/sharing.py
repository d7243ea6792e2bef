"""Exports a run of 10,000 steps, and one of 1,000, in every format: seconds, size and peak memory of each.

The memory is what the process needed beyond what it had before, so that the two columns tell whether it grows
with the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = ("bundle", "jsonl", "otlp", "markdown", "html", "parquet", "hf")


def make(path: Path, steps: int) -> None:
    """A run of so many steps with a kilobyte of inputs and of output each."""
    import dataclasses

    from engine.events import StepFinished, StepStarted
    from tests.store.samples import store, whole_run

    events = whole_run("big")
    started = next(e for e in events if isinstance(e, StepStarted))
    ended = next(e for e in events if isinstance(e, StepFinished))
    at = events.index(started)
    many = []
    for n in range(steps):
        name = f"step{n}"
        inputs, output = {"q": f"{n} " * 400}, {"response": f"{n * 7} " * 400}
        many.append(dataclasses.replace(started, step_id=name, index=n, key=name, inputs=inputs))
        many.append(dataclasses.replace(ended, step_id=name, output=output))
    whole = [*events[:at], *many, *[e for e in events[at:] if not isinstance(e, StepStarted | StepFinished)]]
    store(path, [dataclasses.replace(e, seq=seq, at=1000.0 + seq) for seq, e in enumerate(whole)])


def measure(store: str, format: str, out: str) -> None:
    """In a process of its own: one export; prints seconds, peak memory in MiB and bytes."""
    import resource
    import time

    from engine.config import Settings
    from tests.sharing.otlp_server import OtlpServer
    from tui.sharing.export_runs import Wanted, export_runs

    settings = Settings().model_copy(update={"store": Path(store)})
    small = Path(store).with_name("warm.db")
    warm = settings.model_copy(update={"store": small})
    with OtlpServer() as server:
        target = {"endpoint": server.url} if format == "otlp" else {}
        where = {} if format == "otlp" else {"out": Path(out + ".warm")}
        export_runs(warm, Wanted(("big",)), format, **target, **where)
        server.requests = _Nothing()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        where = {} if format == "otlp" else {"out": Path(out)}
        export_runs(settings, Wanted(("big",)), format, **target, **where)
        seconds = time.perf_counter() - begin
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    path = Path(out)
    files = path.rglob("*") if path.is_dir() else [path] if path.exists() else []
    print(json.dumps([seconds, peak, sum(f.stat().st_size for f in files if f.is_file())]))


class _Nothing(list):
    """What the server is sent is not kept: its memory is not ours to measure."""

    def append(self, _: object) -> None:
        pass


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, steps in (("warm", 1), ("small", 1_000), ("large", 10_000)):
            make(place / f"{name}.db", steps)
        print(f"{'format':9} {'1,000 steps':>26} {'10,000 steps':>26}")
        for format in FORMATS:
            cells = []
            for name in ("small", "large"):
                args = [
                    sys.executable,
                    "-m",
                    "tests.benchmarks.sharing",
                    str(place / f"{name}.db"),
                    format,
                    str(place / f"{name}-{format}"),
                ]
                told = subprocess.run(args, check=True, capture_output=True, text=True).stdout
                seconds, peak, size = json.loads(told.splitlines()[-1])
                cells.append(f"{seconds:6.2f} s {peak:5.0f} MiB {size / 1e6:6.1f} MB")
            print(f"{format:9} {cells[0]:>26} {cells[1]:>26}", flush=True)


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
