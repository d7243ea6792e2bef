"""Every variant on all of HumanEval with the embedded models: does each run end in a verdict, and do the
books add up?

    FLOWREASONER_DATA=FOLDER python -m tests.benchmarks.every_variant [--limit N] [--variant NAME …]

`flowreasoner bench humaneval` runs each variant in a process of its own, as a user runs it; the store is
then read by SQL. Variants that search do so on the 33 problems of the `val` part of `aflow-1:4` and are
reported on the other 131; the rest are run on all 164. Searches are cut short by their own options: the
embedded models are too small to gain from long ones, and nothing here says how good a variant is. What a
`--store` has of a variant already is resumed.

Ends with 1 where anything is lost: a trial without exactly one run that has a verdict, a run without exactly
one end, a model call without an end, or a ledger that is not the sum of its calls.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from engine.experiments.keys import DONE
from engine.variants import VARIANTS, load_variant
from store.db import open_reader
from store.reader import Reader

# Enough of each search to pass through all of it.
SHORT = {
    "adas": "generations=1,give_up_after=0",
    "aflow": "rounds=2,validation_rounds=1,give_up_after=0",
    "flowreasoner": "rounds=2",
    "maas": "repetitions=1",
    "scoreflow": "workflows=2,executions=1,attempts=1",
    "top-k": "candidates=2",
}
_OF = "FROM origins o JOIN runs r ON r.id = o.run_id WHERE o.experiment = ?"
_CALLS = "(SELECT {} FROM model_calls m WHERE m.run_id = r.id)"
_VERDICTS = ", ".join(map(repr, DONE))
_ENDS_OF_BUNDLE = (
    "(SELECT count(*) FROM json_each(payload_json(e.payload)) one"
    " WHERE json_extract(one.value, '$[2]') = 'run_finished')"
)
_ENDS = (
    f"(SELECT total(iif(e.kind = 'bundle', {_ENDS_OF_BUNDLE}, e.kind = 'run_finished'))"
    " FROM events e WHERE e.run_id = r.id)"
)
# What would be wrong, and how many runs of an experiment it is true of.
LOST = {
    "runs without exactly one end": f"SELECT count(*) {_OF} AND {_ENDS} != 1",
    # What was killed or stopped is done again when the experiment is resumed.
    "runs that end without a verdict": (
        f"SELECT count(*) {_OF} AND r.status NOT IN ({_VERDICTS}, 'interrupted', 'cancelled')"
    ),
    "trials with several verdicts": (
        f"SELECT count(*) FROM (SELECT o.trial {_OF} AND r.status IN ({_VERDICTS})"
        " GROUP BY o.trial HAVING count(*) > 1)"
    ),
    "runs whose ledger has other tokens than its calls": (
        f"SELECT count(*) {_OF} AND (r.tokens_in != {_CALLS.format('total(tokens_in)')}"
        f" OR r.tokens_out != {_CALLS.format('total(tokens_out)')})"
    ),
    "runs whose ledger has another number of calls": (
        f"SELECT count(*) {_OF} AND r.model_calls != {_CALLS.format('count(*)')}"
    ),
    "model calls without an end": (
        "SELECT count(*) FROM origins o JOIN model_calls m ON m.run_id = o.run_id"
        " WHERE o.experiment = ? AND m.finish IS NULL"
    ),
    "passed or failed runs without an evaluation or an error": (
        f"SELECT count(*) {_OF} AND r.status IN ('passed', 'failed') AND r.error IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM evaluations v WHERE v.run_id = r.id)"
    ),
}


@dataclass(frozen=True)
class Measured:
    """One variant's experiment. `tokens` are the sum over its model calls, `lost` what is wrong with it."""

    trials: int
    done: int
    passed: int
    statuses: Counter[str]
    searching: Counter[str]  # statuses of the runs its search made
    wall_s: float
    calls: int
    tokens: int
    lost: list[str] = field(default_factory=list)


def measure(name: str, store: Path, limit: int | None, concurrency: int) -> Measured:
    has_search = load_variant(name).search is not None
    spec = ",".join(filter(None, (name, SHORT.get(name))))
    args = ["bench", "--concurrency", str(concurrency)]
    with Reader(store) as reader:
        is_new = all(row.name != name for row in reader.experiments.all())
    if is_new:
        args += ["humaneval", "--name", name, "--variant", spec, "--executions", "1"]
        args += ["--split", "aflow-1:4" if has_search else "all"]
        args += ["--limit", str(limit)] if limit else []
        args += ["--meta-agent", "pocket-meta", "--worker", "pocket-worker"]
    else:
        args += ["--resume", name]
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "tui.start", *args],
        env=os.environ | {"FLOWREASONER_STORE": str(store)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wall_s = time.monotonic() - began
    if ended.returncode == 2:  # nothing was run
        raise SystemExit(ended.stderr)
    return read(store, name, wall_s, [] if ended.returncode == 0 else [_last_line(ended)])


def read(store: Path, name: str, wall_s: float, lost: list[str]) -> Measured:
    """What the store has of an experiment, and what is wrong with it."""
    with Reader(store) as reader:
        experiment = reader.experiments.named(name)
    with closing(open_reader(store)) as db:
        counts = Counter[tuple[str, str]](
            {
                (stage, status): n
                for stage, status, n in db.execute(
                    f"SELECT o.stage, r.status, count(*) {_OF} GROUP BY 1, 2", (name,)
                )
            }
        )
        calls, tokens = db.execute(
            "SELECT count(*), total(m.tokens_in + m.tokens_out)"
            " FROM origins o JOIN model_calls m ON m.run_id = o.run_id WHERE o.experiment = ?",
            (name,),
        ).fetchone()
        lost = [*lost, *_wrong(db, name)]
    final = Counter({status: n for (stage, status), n in counts.items() if stage == "final"})
    if experiment.done != experiment.total:
        lost.append(f"{experiment.total - experiment.done} trials without a verdict")
    (state,) = experiment.variants
    return Measured(
        experiment.total,
        experiment.done,
        state.passed,
        final,
        Counter({status: n for (stage, status), n in counts.items() if stage == "search"}),
        wall_s,
        calls,
        int(tokens),
        lost,
    )


def _wrong(db: sqlite3.Connection, name: str) -> list[str]:
    found = ((what, db.execute(query, (name,)).fetchone()[0]) for what, query in LOST.items())
    return [f"{count} {what}" for what, count in found if count]


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = ended.stderr.strip().splitlines()
    return f"bench ended with {ended.returncode}: {lines[-1] if lines else 'without a word'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--limit", type=int, help="problems of each part, at most")
    parser.add_argument("--variant", action="append", choices=list(VARIANTS), help="only these")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--store", type=Path, help="keep the runs in this store")
    options = parser.parse_args()
    failed = False
    print("| Variant | Trials | Verdicts | Search runs | Calls | Tokens | Wall | Lost |")
    print("|---|--:|---|---|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or Path(folder) / "store.db"
        for name in options.variant or VARIANTS:
            found = measure(name, store, options.limit, options.concurrency)
            failed |= bool(found.lost)
            lost = "; ".join(found.lost) or "–"
            print(
                f"| {name} | {found.trials} | {_counted(found.statuses)} | {_counted(found.searching)}"
                f" | {found.calls} | {found.tokens} | {found.wall_s:.0f} s | {lost} |",
                flush=True,
            )
    return int(failed)


def _counted(statuses: Counter[str]) -> str:
    return ", ".join(f"{n} {status}" for status, n in statuses.most_common()) or "–"


if __name__ == "__main__":
    sys.exit(main())
