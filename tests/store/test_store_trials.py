"""Trials and their sums, which are kept as they are recorded: right whatever happened to the runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.keys import TrialKey
from store import trial_tables
from store.db import open_writer, write
from store.errors import StoreError
from store.reader import Reader
from store.retention import delete_run, prune
from tests.store.samples import store
from tests.support.trials import FAIL, PASS, Ran, Step, run_events, store_experiment

TABLES = ("trials", "tallies", "spent", "usage")
SURROGATE = json.dumps(["a", "half \ud800", 1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two variants on three problems, one of them tried four times, one unpriced, one still under way."""
    path = tmp_path / "store.db"
    steps = (Step("Custom", "x", prompt="q", usd=0.25), Step("Test", "y"), Step("Custom", "z"))
    ran = Ran(val_score=0.5, meta_ms=20.0, meta_usd=0.125, worker_ms=3.0, steps=steps)
    store_experiment(
        path,
        "e",
        {
            "a": {"p0": [ran], "p1": [FAIL], "p2": [Ran("answered")]},
            "b": {"p0": [Ran("infra")], "p1": [PASS]},
        },
    )
    for number, again in enumerate(
        [Ran("infra"), Ran("error", worker_usd=None), Ran("infra"), Ran("running")]
    ):
        attempt(path, f"again-{number}", again, TrialKey("b", "p0", 1), at=2e9 + number)
    attempt(path, "odd", PASS, SURROGATE)
    attempt(path, "search", PASS, json.dumps(["search", "a"]), stage="search")
    return path


def attempt(
    path: Path, run_id: str, ran: Ran, trial: object, *, stage: str = "final", at: float = 3e9
) -> None:
    origin = {"experiment": "e", "trial": str(trial), "stage": stage}
    store(path, list(run_events(run_id, ran, origin=origin, at=at)))


def kept(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = {name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in TABLES}
    # What came to nothing, such as the sums of runs that are deleted, is as good as not there.
    return {name: [row for row in rows if any(row[2:])] for name, rows in tables.items()}


def made_afresh(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The same tables as a migration makes them of the runs."""
    copied = path.with_name("afresh.db")
    copied.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copied)) as db:
        source.backup(db)
        for table in TABLES:
            db.execute(f"DROP TABLE {table}")
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        trial_tables.make(db)
        db.commit()
    return kept(copied)


def test_of_several_attempts_the_latest_that_counts_is_reported(path: Path) -> None:
    with Reader(path) as reader:
        row = next(r for r in reader.experiments.trials("e") if (r.label, r.problem_id) == ("b", "p0"))
        assert (row.run_id, row.status, row.attempts, row.is_done) == ("again-1", "error", 5, True)
        assert row.worker.cost_usd is None
        first = next(r for r in reader.experiments.trials("e") if (r.label, r.problem_id) == ("a", "p0"))
        assert (first.meta.calls, first.worker.calls, first.worker.cost_usd) == (1, 2, 0.25)
        assert first.operators == {"Custom": 2, "Test": 1}
        a, b = reader.experiments.named("e").variants
        assert (a.done, a.passed, a.errors, a.infra, a.score) == (4, 2, 0, 0, 2 / 3)
        assert (b.done, b.passed, b.errors, b.infra, b.score) == (2, 1, 1, 0, 0.5)
        assert reader.experiments.attempts("e")[SURROGATE].run_id == "odd"


def test_what_triggers_keep_is_what_a_migration_makes(path: Path) -> None:
    def agrees() -> bool:
        return kept(path) == made_afresh(path)

    assert agrees()
    for run_id in ("again-1", "again-3", "search", "odd"):  # the reported one, the live one, one that is none
        delete_run(path, run_id)
        assert agrees(), run_id
    with Reader(path) as reader:
        assert reader.experiments.attempts("e")[str(TrialKey("b", "p0", 1))].run_id == "again-2"
    with closing(open_writer(path)) as db:  # by hand, as a repair may do
        db.execute("UPDATE runs SET status = 'passed', score = 1.0, cost_usd = NULL WHERE id = 'e-a-1-1'")
        assert agrees()
        db.execute("UPDATE origins SET trial = '[]' WHERE run_id = 'e-a-2-1'")
        db.execute("UPDATE runs SET status = 'running' WHERE id = 'e-b-1-1'")
        db.execute("DELETE FROM usage WHERE run_id = 'e-b-1-1'")  # as of a run that has not ended
    assert agrees()
    with Reader(path) as reader, pytest.raises(StoreError):
        reader.experiments.named("e")  # a trial without a name
    prune(path, keep=0)
    with closing(open_writer(path)) as db, write(db):
        db.execute("DELETE FROM runs")
    assert kept(path) == {name: [] for name in TABLES}


def test_an_experiment_counts_what_is_under_way(path: Path) -> None:
    with Reader(path) as reader:
        before = reader.experiments.named("e")
    delete_run(path, "again-3")  # it had made a call, and has no end
    with Reader(path) as reader:
        after = reader.experiments.named("e")
    assert (before.runs - after.runs, before.tokens_in - after.tokens_in) == (1, 10)
    assert before.cost_usd is None and before.known_cost_usd == after.known_cost_usd > 0
