"""A store with rows that are not what was written: sentences, never a traceback, and the rest is read."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from store.errors import DamagedError, StoreError
from store.reader import Reader
from tests.store.samples import store, whole_run
from tests.support.trials import FAIL, PASS, store_experiment

RUNS = ("run-0", "run-1", "run-2")
READS: dict[str, Callable[[Reader], object]] = {
    "runs": lambda r: r.runs(),
    "failed": lambda r: r.runs(failed=True),
    "run": lambda r: [r.run(run) for run in RUNS],
    "events": lambda r: [list(r.events(run)) for run in RUNS],
    "steps": lambda r: [r.steps(run) for run in RUNS],
    "calls": lambda r: [list(r.model_calls(run)) for run in RUNS],
    "facts": lambda r: r.run_facts(RUNS),
    "peek": lambda r: [r.failures.peek(run) for run in RUNS],
    "clusters": lambda r: [r.failures.clusters(by) for by in ("signature", "label", "variant", "benchmark")],
    "experiments": lambda r: [r.experiments.trials(row.name) for row in r.experiments.all()],
    "search": lambda r: r.search("the"),
    "waits": lambda r: r.usual_waits(),
}
BROKEN = "SELECT id || 'x', name, meta_agent, worker,"
DAMAGE = ("{broken", "[]", '"x"', -1e300, b"\xff\x00")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store.db"
    for number, run in enumerate(RUNS):
        store(path, whole_run(run, at=float(number), status="failed"))
    store_experiment(path, "first", {"vanilla": {"p0": [PASS], "p1": [FAIL]}})
    return path


def copy(source: Path, target: Path) -> sqlite3.Connection:
    for name in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        name.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(source)) as db:
        out = sqlite3.connect(target, isolation_level=None)
        db.backup(out)
    out.execute("PRAGMA foreign_keys = off")
    out.execute("PRAGMA ignore_check_constraints = on")
    return out


def told(path: Path) -> dict[str, str]:
    """What each read says of the store; anything but a StoreError fails the test."""
    said: dict[str, str] = {}
    with Reader(path) as reader:
        for name, read in READS.items():
            try:
                read(reader)
            except StoreError as error:
                said[name] = str(error)
    return said


def columns(path: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            " AND name NOT LIKE 'search%' AND name NOT LIKE '\\_%' ESCAPE '\\'"
        ).fetchall()
        return [(table, row[1]) for (table,) in tables for row in db.execute(f"PRAGMA table_info({table})")]


def test_damage_in_any_column_is_a_sentence(whole: Path, tmp_path: Path) -> None:
    assert told(whole) == {}
    path, sentences = tmp_path / "store.db", 0
    for (table, column), value in zip(columns(whole), itertools.cycle(DAMAGE), strict=False):
        with contextlib.closing(copy(whole, path)) as db:
            try:
                db.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (value,))
            except sqlite3.Error:  # the schema keeps this one out
                continue
        for sentence in told(path).values():
            sentences += 1
            assert "\n" not in sentence and len(sentence) < 1_000
    assert sentences > 10


def test_a_missing_table_of_rows_is_a_sentence(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for table in {table for table, _ in columns(whole)}:
        with contextlib.closing(copy(whole, path)) as db:
            db.execute(f"DELETE FROM {table}")
        told(path)


def test_a_list_leaves_damaged_rows_out_and_counts_them(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(copy(whole, path)) as db:
        db.execute(f"INSERT INTO variants {BROKEN} '{{broken' FROM variants LIMIT 1")
        db.execute(
            "UPDATE runs SET variant_id = (SELECT max(id) FROM variants WHERE config = '{broken')"
            " WHERE id = 'run-1'"
        )
        db.execute("UPDATE origins SET trial = '[]' WHERE trial LIKE '%p1%'")
    with Reader(path) as reader:
        assert [row.id for row in reader.runs(failed=True).rows if row.id in RUNS] == ["run-2", "run-0"]
        assert reader.damaged == 1
        reader.runs(failed=True)
        assert reader.damaged == 1  # the same row
        with pytest.raises(DamagedError, match=r"holds a damaged row .*; restore a copy\.$"):
            reader.run("run-1")
        (trial,) = reader.experiments.trials("first")
        assert trial.problem_id == "p0" and reader.damaged == 2


def test_a_page_with_a_damaged_row_is_followed_by_the_next(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(copy(whole, path)) as db:
        db.execute(f"INSERT INTO variants {BROKEN} 'null' FROM variants LIMIT 1")
        db.execute(
            "UPDATE runs SET variant_id = (SELECT id FROM variants WHERE config = 'null') WHERE id = 'run-2'"
        )
    ids, before = [], None
    with Reader(path) as reader:
        while True:
            page = reader.runs(limit=1, before=before)
            ids += [row.id for row in page.rows]
            if (before := page.next_cursor) is None:
                break
    assert "run-2" not in ids and {"run-0", "run-1"} <= set(ids)
