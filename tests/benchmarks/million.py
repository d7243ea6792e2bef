"""How reading grows with the store: `python -m tests.benchmarks.million [--runs 1000000] [--store FILE]`.

Builds a store of so many runs, or uses the one at FILE again, and gives the processor time of every list,
facet and count beside a plain look-up of one run in the same store. The runs are copies of a recorded one
with their own place, time, status, label and text, since recording them is not the subject. A tenth of them
are the trials of one experiment of two variants, with model calls and steps; some others are trials too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from store import usage
from store.compare.comparison import compare
from store.db import open_writer
from store.reader import Reader
from store.run_filter import RunFilter
from tests.benchmarks.recording import recorded_us
from tests.store.samples import whole_run

EXPERIMENTS = 8  # besides the one that is compared
_COMPARED = "compared"
# What differs between runs, by their number `n`: much of some things, a hundredth of others, and a few old
# runs of one benchmark and one variant, which a list by time finds last.
_COLUMNS = {
    "id": "printf('run-%08d', n)",
    "problem_id": "'p' || (n % 1000)",
    "started_at": "n * 60.0",
    "benchmark": "CASE WHEN n <= 50 THEN 'rare' WHEN n % 100 = 0 THEN 'few' WHEN n % 3 = 0 THEN 'third'"
    " ELSE 'most' END",
    "variant": "CASE WHEN n <= 50 THEN 'rare' WHEN n % 100 = 1 THEN 'few' WHEN n % 5 = 0 THEN 'vanilla'"
    " ELSE 'flowreasoner' END",
    "status": "CASE WHEN n % 4 THEN 'passed' WHEN n % 40 = 0 THEN 'error' ELSE 'failed' END",
    "error_sig": "CASE WHEN n % 4 = 0 THEN 'Custom: KeyError: ' || (n % 300) END",
}
_NUMBERS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)"


class Timing(NamedTuple):
    """How long a read takes in `ms`, and its limit."""

    subject: str
    ms: float
    limit_ms: float


def build(path: Path, runs: int) -> None:
    """A store of `runs` runs, each failed one with a label, and a quarter of the copies trials."""
    asyncio.run(recorded_us(path, whole_run("model")))
    each = runs // 20
    copies = runs - 2 * each - 1
    with closing(open_writer(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN IMMEDIATE")
        _copy_runs(db, copies, _COLUMNS)
        db.execute(
            f"{_NUMBERS} INSERT INTO annotations(run_id, kind, value, source, at)"
            " SELECT printf('run-%08d', n), 'label', CASE WHEN n <= 200 THEN 'rare' WHEN n % 400 = 0 THEN"
            " 'few' ELSE 'label' || (n / 4 % 7) END, 'auto', 1.0 FROM c WHERE n % 4 = 0 AND n % 1000",
            (copies,),
        )
        # A word that every text has, one that a hundredth has, one of its own.
        db.execute(
            f"{_NUMBERS} INSERT INTO search_texts(run_id, hash, kind, text) SELECT printf('run-%08d', n), n,"
            " 'query', printf('Write a function run-%08d about topic', n) || (n % 100) FROM c",
            (copies,),
        )
        _experiments(db, copies)
        for label, passes in (("a", 60), ("b", 65)):
            _trials(db, label, each, passes)
        db.execute("COMMIT")


def _copy_runs(db: sqlite3.Connection, copies: int, columns: dict[str, str]) -> None:
    names: list[str] = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
    copied = ", ".join(columns.get(name, name) for name in names)
    db.execute(
        f"{_NUMBERS} INSERT INTO runs({', '.join(names)}) SELECT {copied} FROM c, runs"
        " WHERE runs.id = 'model'",
        (copies,),
    )


def _experiments(db: sqlite3.Connection, copies: int) -> None:
    """Every fourth copy is a trial of one of the experiments, each of two variants."""
    each = copies // 4 // EXPERIMENTS
    for number in range(EXPERIMENTS):
        _plan(db, f"e{number}", each // 2, number)
        db.execute(
            f"{_NUMBERS} INSERT INTO origins(run_id, experiment, trial, stage) SELECT"
            " printf('run-%08d', 4 * (n + ?)), ?, json_array(CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END,"
            " 'p' || ((n - 1) / 2), 1), 'final' FROM c",
            (each, number * each, f"e{number}"),
        )
    _plan(db, _COMPARED, copies // 18, EXPERIMENTS)


def _plan(db: sqlite3.Connection, name: str, problems: int, at: int) -> None:
    plan = {"name": name, "benchmark": "most", "repeats": 1, "variants": {"a": "a", "b": "b"}} | {
        "meta_agent": "meta",
        "worker": "w",
        "problems": [f"p{n}" for n in range(problems)],
    }
    insert = "INSERT INTO experiments(name, benchmark, plan, started_at) VALUES (?, 'most', ?, ?)"
    db.execute(insert, (name, json.dumps(plan), 1e3 + at))


def _trials(db: sqlite3.Connection, label: str, each: int, passes: int) -> None:
    """A trial of the variant on each problem, with two model calls and two steps, that then ends."""
    _copy_runs(
        db,
        each,
        {
            "id": f"printf('{label}-%08d', n)",
            "problem_id": "'p' || (n - 1)",
            "started_at": "n * 61.0",
            "status": "'running'",
            "variant": f"'{label}'",
            "val_score": "(n * 7919 % 101) / 100.0",
        },
    )
    db.execute(
        f"{_NUMBERS} INSERT INTO origins(run_id, experiment, trial, stage) SELECT"
        f" printf('{label}-%08d', n), '{_COMPARED}', json_array('{label}', 'p' || (n - 1), 1), 'final'"
        " FROM c",
        (each,),
    )
    for table, key, values in (
        ("model_calls", "id", {"wall_ms": "(n * 31 % 997) + 0.5", "cost_usd": "(n * 37 % 89) / 1e4"}),
        ("steps", "id", {"wall_ms": "(n * 41 % 997) + 0.5"}),
    ):
        names: list[str] = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        changed = {"run_id": f"printf('{label}-%08d', n)", key: f"{key} || i"} | values
        copied = ", ".join(changed.get(name, name) for name in names)
        db.execute(
            f"{_NUMBERS} INSERT INTO {table}({', '.join(names)}) SELECT {copied} FROM c, {table},"
            " (SELECT 1 AS i UNION SELECT 2) WHERE run_id = 'model'",
            (each,),
        )
    db.execute(
        "UPDATE runs SET status = iif(n * 7877 % 100 < ?, 'passed', 'failed'), score = n * 7877 % 100 < ?"
        " FROM (SELECT id AS run_id, CAST(substr(id, 3) AS INTEGER) AS n FROM runs"
        " WHERE status = 'running' AND variant = ?) WHERE id = run_id",
        (passes, passes, label),
    )
    usage.keep(db, f"SELECT run_id FROM origins WHERE run_id >= '{label}-' AND run_id < '{label}.'")


def median_ms(action: Callable[[], object]) -> float:
    """The median of `action` in milliseconds of processor time: what waiting takes is not ours. As many times
    as two seconds allow.
    """
    durations: list[float] = []
    began = time.perf_counter()
    while not durations or (time.perf_counter() - began < 2 and len(durations) < 15):
        begun = time.process_time()
        action()
        durations.append((time.process_time() - begun) * 1e3)
    return statistics.median(durations)


def measure(path: Path) -> Iterator[Timing]:
    """Every read that is to stay as fast, however large the store is."""
    with Reader(path) as reader:
        cursor = reader.runs().next_cursor
        clusters, facets, runs = reader.failures.clusters, reader.facets, reader.runs
        subjects: list[tuple[str, Callable[[], object], float]] = [
            ("one run by its id (the peer)", lambda: reader.run("run-00000777"), 10),
            ("runs: first page", runs, 100),
            ("runs: next page", lambda: runs(before=cursor), 100),
            ("runs: failed", lambda: runs(failed=True), 100),
            ("runs: status:failed", lambda: runs(status="failed"), 100),
            *((f"runs: benchmark:{name}", _listed(reader, benchmark=name), 100) for name in _VALUES),
            *((f"runs: variant:{name}", _listed(reader, variant=name), 100) for name in _VARIANTS),
            *((f"runs: label:{name}", _listed(reader, label=name), 100) for name in _LABELS),
            ("runs: experiment:e0", lambda: runs(experiment="e0"), 100),
            ("runs: failed benchmark:rare", lambda: runs(failed=True, benchmark="rare"), 100),
            ("runs: failed variant:rare", lambda: runs(failed=True, variant="rare"), 100),
            ("runs: benchmark:few variant:few", lambda: runs(benchmark="few", variant="few"), 100),
            ("runs: benchmark:third label:rare", lambda: runs(benchmark="third", label="rare"), 100),
            ("runs: a word that all have", lambda: runs(search="function"), 100),
            ("runs: a word of one run", lambda: runs(search="00000778"), 100),
            ("facets: of all", lambda: facets(RunFilter()), 100),
            ("facets: failed", lambda: facets(RunFilter(), failed=True), 100),
            *((f"facets: benchmark:{name}", _counted(reader, benchmark=name), 100) for name in _VALUES),
            *((f"facets: label:{name}", _counted(reader, label=name), 100) for name in _LABELS),
            ("facets: variant:rare", lambda: facets(RunFilter(variant="rare")), 100),
            *((f"failures by {by}", lambda by=by: clusters(by), 100) for by in _GROUPINGS),
            ("failures by label of an experiment", lambda: clusters("label", experiment="e0"), 100),
            ("labels in use", lambda: reader.annotations.values("label"), 100),
            ("text by rank: a word that all have", lambda: reader.search("function"), 100),
            ("text by rank: words that all have", lambda: reader.search("write a function"), 100),
            ("text by rank: a word of a hundredth", lambda: reader.search("topic37"), 100),
            ("usual waits", reader.usual_waits, 100),
            ("experiments", reader.experiments.all, 100),
            ("one experiment's trials", lambda: reader.experiments.trials(_COMPARED), 100),
            ("counts of the store", reader.stats, 100),
            ("compare its two variants", lambda: compare(reader, [_COMPARED]), 1500),
        ]
        for subject, action, limit in subjects:
            yield Timing(subject, median_ms(action), limit)


_VALUES = ("most", "third", "few", "rare", "none")
_VARIANTS = ("flowreasoner", "few", "rare", "none")
_LABELS = ("label3", "few", "rare", "none")
_GROUPINGS = ("signature", "operator", "label", "variant", "benchmark", "problem")


def _listed(reader: Reader, **wanted: str) -> Callable[[], object]:
    return lambda: reader.runs(**wanted)  # pyright: ignore[reportArgumentType]


def _counted(reader: Reader, **wanted: str) -> Callable[[], object]:
    return lambda: reader.facets(RunFilter(**wanted))  # pyright: ignore[reportArgumentType]


def main() -> None:
    parser = argparse.ArgumentParser(description="How reading grows with the store.")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="built once and used again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path: Path = args.store or Path(folder) / "store.db"
        if not path.exists():
            begun = time.perf_counter()
            build(path, args.runs)
            print(f"built {args.runs:,} runs in {time.perf_counter() - begun:.0f} s")
        for subject, ms, limit in measure(path):
            print(f"{ms:10.1f} ms  {subject}{'' if ms <= limit else f'  (over {limit:.0f} ms)'}", flush=True)


if __name__ == "__main__":
    main()
