"""Pruning deletes what it says, shared texts only with their last user, and spares the rest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.events import Notice, WorkflowProposed
from store.db import open_writer
from store.errors import StoreError
from store.reader import Reader
from store.retention import prune
from tests.store.samples import finished, started, store, whole_run

_DAY = 86_400.0
_TABLES = ("runs", "events", "blob_refs", "rounds", "proposals", "steps", "model_calls", "search_texts")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Fifty runs, one a day, the newest today."""
    path = tmp_path / "store.db"
    now = time.time()
    for number in range(50):
        store(path, whole_run(f"run-{number:02}", at=now - (49 - number) * _DAY - 60))
    return path


def ids(path: Path) -> list[str]:
    return [row.id for row in Reader(path).runs(limit=1000).rows]


def test_the_newest_are_kept(path: Path) -> None:
    report = prune(path, keep=3)

    assert ids(path) == ["run-49", "run-48", "run-47"]
    assert (report.runs, report.events) == (47, 47 * len(whole_run()))
    assert report.free_bytes > 0


def test_the_old_are_deleted(path: Path) -> None:
    assert prune(path, older_than_days=10).runs == 40
    assert len(ids(path)) == 10


def test_both_conditions_must_hold(path: Path) -> None:
    assert prune(path, older_than_days=10, keep=45).runs == 5
    assert prune(path, older_than_days=48, keep=0).runs == 0


def test_what_is_left_is_whole(path: Path) -> None:
    prune(path, keep=1)
    with Reader(path) as reader:
        (row,) = reader.runs().rows
        events = list(reader.events(row.id))
        assert [event.seq for event in events] == list(range(len(whole_run())))
        assert reader.workflow("wf1") is not None
        assert [hit.run_id for hit in reader.search("answer", limit=100)] == ["run-49"]


def test_nothing_is_left_of_the_deleted(path: Path) -> None:
    assert prune(path, keep=0, vacuum=True).free_bytes == 0
    db = open_writer(path)
    for table in (*_TABLES, "blobs", "workflows", "variants", "search_docsize"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.execute("INSERT INTO search(search, rank) VALUES ('integrity-check', 1)")
    db.close()


def test_a_shared_text_goes_with_its_last_user(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shared, own = "shared " * 1000, "own " * 1000
    for number, texts in enumerate([(shared, own), (shared,)]):
        notes = [
            Notice(run_id=f"r{number}", seq=seq, at=1.0, level="info", text=text)
            for seq, text in enumerate(texts, 1)
        ]
        store(path, [started(f"r{number}", at=float(number)), *notes, finished(f"r{number}")])

    assert prune(path, keep=1).blobs == 1
    notes = [event.text for event in Reader(path).events("r1") if isinstance(event, Notice)]
    assert notes == [shared]


def test_a_workflow_stays_while_any_run_proposed_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first, second = whole_run("r0"), whole_run("r1", at=2000.0)
    replaced = WorkflowProposed(
        run_id="r1",
        seq=50,
        at=2001.0,
        round=1,
        workflow_id="wf2",
        code="c",
        prompts="",
        modification="",
        strict_ok=True,
        diagnostics=(),
        repairs=(),
        graph={},
        complexity=1,
    )
    store(path, [*first, *second, replaced])
    prune(path, keep=1)
    with Reader(path) as reader:
        assert reader.workflow("wf1") is not None
        assert reader.workflow("wf2") is not None
    prune(path, keep=0)
    assert Reader(path).workflow("wf1") is None


def test_a_running_run_is_spared(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store(path, [started("old", at=1.0)])

    assert prune(path, older_than_days=1, keep=0).runs == 0
    assert ids(path) == ["old"]


def test_a_dry_run_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    report = prune(path, keep=10, dry_run=True, vacuum=True)

    assert (report.runs, report.events) == (40, 40 * len(whole_run()))
    assert path.read_bytes() == before


def test_a_pruned_file_shrinks_when_compacted(path: Path) -> None:
    before = prune(path, keep=50, vacuum=True).file_bytes
    assert prune(path, keep=1, vacuum=True).file_bytes < before


def test_pruning_needs_to_know_what(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Say which runs"):
        prune(path)
    with pytest.raises(StoreError, match="cannot be negative"):
        prune(path, keep=-1)
    assert prune(tmp_path / "absent.db", keep=0).runs == 0
    assert not (tmp_path / "absent.db").exists()
