"""What a stored run takes on disk: `python -m tests.benchmarks.bytes --store FILE`.

The runs of every second problem in a store are recorded again, into a new one, with and without what
streamed. They are compared with the goal, and with the same events as JSON lines: plain, as other tools write
them, and by xz all together (the limit: nothing in it can be read alone). With `--train NUMBER.zdict` the
runs of the other problems become a dictionary for `store.packing`.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import sqlite3
import tempfile
import time
from collections.abc import ByteString, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from engine.event_json import to_json
from engine.events import Event, ModelDelta
from store import bundles, payloads
from store.db import open_reader, open_writer, write
from store.projections import add
from store.reader import Reader
from store.retention import prune

_DICTIONARY_BYTES = 64 * 1024
_OF_A_KIND = 1000  # samples
_GOAL_BYTES = 15_000  # a run of some five operator steps


def runs_of(path: Path, half: int, most: int) -> list[str]:
    """The ended runs of every second problem; `half` says which."""
    db = open_reader(path)
    assert db is not None, path
    rows = db.execute("SELECT id, problem_id FROM runs WHERE status <> 'running' ORDER BY id").fetchall()
    db.close()
    numbers = {problem: number for number, problem in enumerate(sorted({problem for _, problem in rows}))}
    return list(islice((id for id, problem in rows if numbers[problem] % 2 == half), most))


def _whole(event: Event) -> Event:
    """With times to the microsecond, which stores of older versions do not have."""
    return replace(event, at=round(event.at, 6), mono=round(event.mono, 6))


def recorded(reader: Reader, run_ids: list[str], target: Path, *, streamed: bool = True) -> float:
    """Record the runs' events into a new store, what streamed too or not; CPU microseconds per event."""
    db = open_writer(target)
    count, used = 0, 0.0
    for run_id in run_ids:
        found = (event for event in reader.events(run_id) if streamed or not isinstance(event, ModelDelta))
        events = [_whole(event) for event in found]
        count += len(events)
        begun = time.process_time()
        with write(db):
            add(db, events)
        used += time.process_time() - begun
    db.close()
    prune(target, keep=1 << 60, vacuum=True)
    return used / count * 1e6


def lines(reader: Reader, run_ids: list[str]) -> Iterator[bytes]:
    """The runs' events as JSON lines."""
    for run_id in run_ids:
        for event in reader.events(run_id):
            yield json.dumps(to_json(event)).encode() + b"\n"


def measure(path: Path, most: int) -> None:
    """Print bytes per run, by table, and the two other ways."""
    run_ids = runs_of(path, 1, most)
    with tempfile.TemporaryDirectory() as folder, Reader(path) as reader:
        target = Path(folder) / "store.db"
        each_us = recorded(reader, run_ids, target)
        plain = b"".join(lines(reader, run_ids))
        size, count = target.stat().st_size, len(run_ids)
        least = Path(folder) / "unstreamed.db"
        recorded(reader, run_ids, least, streamed=False)
        print(f"{count} runs: {size / count:,.0f} bytes a run, {each_us:.0f} µs of CPU an event")
        print(f"  without what streamed {least.stat().st_size / count:,.0f} (goal: at most {_GOAL_BYTES:,})")
        print(f"  as JSON lines {len(plain) / count:,.0f} ({size / len(plain):.2f} x)")
        packed = len(lzma.compress(plain))
        print(f"  all of those by xz {packed / count:,.0f} ({size / packed:.2f} x)")
        db = sqlite3.connect(target)
        tables = db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12")
        for name, table_bytes in tables:
            print(f"  {table_bytes / count:8,.0f}  {name}")
        db.close()


def samples(path: Path, most: int) -> list[bytes]:
    """What `store.packing` is given when the runs of the first half are recorded."""
    with tempfile.TemporaryDirectory() as folder, Reader(path) as reader:
        target = Path(folder) / "store.db"
        recorded(reader, runs_of(path, 0, most), target)
        db = open_writer(target)
        found: dict[str, list[bytes]] = {}
        for stored in db.execute(f"SELECT {payloads.COLUMNS} FROM events"):
            for *_, kind, payload in bundles.unbundled(stored):
                found.setdefault(kind, []).append(payloads.as_json(payload).encode("utf-8", "surrogatepass"))
        db.close()
    chance = random.Random(1)
    return [s for of_kind in found.values() for s in chance.sample(of_kind, min(len(of_kind), _OF_A_KIND))]


def train(path: Path, most: int, target: Path) -> None:
    """Write a dictionary made from a store's first half."""
    import zstandard

    found: list[ByteString] = [*samples(path, most)]
    dictionary = zstandard.train_dictionary(_DICTIONARY_BYTES, found, dict_id=int(target.stem), level=3)
    target.write_bytes(dictionary.as_bytes())
    print(f"{target}: {len(dictionary)} bytes, number {dictionary.dict_id()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a stored run takes on disk.")
    parser.add_argument("--store", type=Path, required=True, help="the store whose runs are taken")
    parser.add_argument("--runs", type=int, default=1 << 30, help="take at most so many")
    parser.add_argument("--train", type=Path, metavar="FILE", help="write a dictionary there instead")
    options = parser.parse_args()
    if options.train is not None:
        train(options.store, options.runs, options.train)
    else:
        measure(options.store, options.runs)


if __name__ == "__main__":
    main()
