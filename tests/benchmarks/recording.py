"""What recording costs, against plain SQLite in the same run: `python -m tests.benchmarks.recording`.

1. Microseconds per recorded event, for streamed text and for a whole run's mix, against the limit:
   the same number of the same bytes by one `executemany` into a table without index or transaction
   per row. What the caller waits for is given apart from what the writer thread works.
2. Milliseconds to the first page of runs, and to a filtered one, with 100,000 runs stored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.event_json import to_json
from engine.events import Event, ModelDelta
from store.db import write
from store.reader import Reader
from store.recorder import Recorder
from tests.store.samples import started, whole_run

_DELTAS = 20_000
_MIXED_RUNS = 300


def deltas(run_id: str) -> list[Event]:
    """Streamed text, the most frequent event by far."""
    text = "def sieve(n): return [p for p in range(n)]"
    body = [
        ModelDelta(run_id=run_id, seq=seq, at=1000.0, call_id="c1", channel="text", text=text)
        for seq in range(1, _DELTAS + 1)
    ]
    return [started(run_id), *body]


def mixed() -> list[Event]:
    """Whole short runs: prompts, responses, steps, evaluations, all indexed for search."""
    return [event for n in range(_MIXED_RUNS) for event in whole_run(f"mixed-{n}", at=1000.0 + n)]


def plain_us(folder: Path, events: Sequence[Event]) -> float:
    """Microseconds per event of one executemany of ready-made rows, in WAL mode."""
    rows = [(e.run_id, e.seq, e.at, e.kind, json.dumps(to_json(e))) for e in events]
    db = sqlite3.connect(folder / f"plain-{len(events)}.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE events(run_id, seq, at, kind, payload)")
    begun = time.perf_counter()
    with write(db):
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    elapsed = time.perf_counter() - begun
    db.close()
    return elapsed / len(events) * 1e6


async def recorded_us(path: Path, events: Sequence[Event]) -> tuple[float, float]:
    """Microseconds per event that the caller waited, and that passed until all was on disk."""
    async with Recorder(path) as recorder:
        begun = time.perf_counter()
        for event in events:
            await recorder.record(event)
        returned = time.perf_counter()
    ended = time.perf_counter()
    return (returned - begun) / len(events) * 1e6, (ended - begun) / len(events) * 1e6


def fill(path: Path, runs: int) -> None:
    """A store of `runs` short runs, made by copying one row, since recording them is not the subject."""
    asyncio.run(recorded_us(path, whole_run("model")))
    db = sqlite3.connect(path)
    names: list[str] = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
    copied = ", ".join(
        {
            "id": "printf('run-%08d', n)",
            "started_at": "n * 60.0",
            "status": "CASE WHEN n % 4 THEN 'passed' ELSE 'failed' END",
            "variant": "CASE WHEN n % 5 THEN 'flowreasoner' ELSE 'vanilla' END",
        }.get(name, name)
        for name in names
    )
    db.execute(
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {runs})"
        f" INSERT INTO runs({', '.join(names)}) SELECT {copied} FROM c, runs"
    )
    # Each has a text to find it by: a word that all have, one that a hundredth has, one of its own.
    db.execute(
        "INSERT INTO search_texts(run_id, hash, kind, text)"
        " SELECT id, id, 'query', 'Write a function ' || id || ' about topic' || (rowid % 100) FROM runs"
        " WHERE id LIKE 'run-%'"
    )
    db.commit()
    db.close()


def median_ms(action: Callable[[], object], times: int = 15) -> float:
    """The median duration of `action` in milliseconds."""
    durations: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        durations.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(durations)


def first_page(path: Path) -> None:
    """What a program just started does: open the file and read one page."""
    with Reader(path) as reader:
        reader.runs()


def main() -> None:
    parser = argparse.ArgumentParser(
        description="What recording costs, against plain SQLite in the same run."
    )
    parser.add_argument("--runs", type=int, default=100_000, help="runs in the store for the page timings")
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for subject, events in (("streamed text", deltas("deltas")), ("whole runs", mixed())):
            limit = plain_us(folder, events)
            waited, whole = asyncio.run(recorded_us(folder / "store.db", events))
            print(
                f"{subject}: {len(events)} events, plain executemany {limit:.1f} µs, recorded {whole:.1f} µs"
                f" ({whole / limit:.1f} x), of which the caller waits {waited:.1f} µs"
            )
        path = folder / "many.db"
        fill(path, runs)
        reader = Reader(path)
        cursor = reader.runs().next_cursor
        for subject, action in (
            ("open and read the first page", lambda: first_page(path)),
            ("next page", lambda: reader.runs(before=cursor)),
            ("failed runs", lambda: reader.runs(failed=True)),
            ("one variant", lambda: reader.runs(variant="vanilla")),
            ("search for a word that every run has", lambda: reader.runs(search="function")),
            ("search for a word that one in a hundred has", lambda: reader.runs(search="topic37")),
            ("search for one run's words", lambda: reader.runs(search=f"function {runs // 2:08d}")),
            ("search among failed runs", lambda: reader.runs(failed=True, search="topic38")),
        ):
            print(f"{runs} runs, {subject}: {median_ms(action):.2f} ms")
        reader.close()


if __name__ == "__main__":
    main()
