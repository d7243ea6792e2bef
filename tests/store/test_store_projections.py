"""The tables say what the events say, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.events import Event, StepFinished, StepStarted
from store.db import open_writer, write
from store.reader import Reader
from store.texts import error_signature, excerpt, plain
from tests.store.samples import add, finished, started, store, whole_run

_TABLES = (
    *("blobs", "variants", "runs", "events", "blob_refs", "workflows", "rounds", "proposals"),
    *("steps", "model_calls", "executions", "evaluations", "search_texts"),
)


def dump(path: Path) -> dict[str, set[tuple[object, ...]]]:
    db = sqlite3.connect(path)
    tables = {name: set(db.execute(f"SELECT * FROM {name}")) for name in _TABLES}
    db.close()
    return tables


def test_replaying_the_events_gives_the_same_tables(tmp_path: Path) -> None:
    runs = [whole_run("a"), whole_run("b", at=2000.0, status="failed", score=0.0), whole_run("c", end=False)]
    store(tmp_path / "first.db", (event for run in runs for event in run))
    with Reader(tmp_path / "first.db") as reader:
        stored = [event for run_id in ("a", "b", "c") for event in reader.events(run_id)]
    store(tmp_path / "second.db", stored)

    assert dump(tmp_path / "second.db") == dump(tmp_path / "first.db")


def test_a_failed_transaction_leaves_no_trace(tmp_path: Path) -> None:
    store(tmp_path / "store.db", [started()])
    before = dump(tmp_path / "store.db")
    db = open_writer(tmp_path / "store.db")
    with pytest.raises(sqlite3.IntegrityError), write(db):
        add(db, whole_run("r2"))
        add(db, [started()])
    db.close()

    assert dump(tmp_path / "store.db") == before


def failing_step(status: str, error: str | None) -> list[Event]:
    begin = StepStarted(
        run_id="r1",
        seq=1,
        at=1.0,
        step_id="s",
        execution_id="e",
        index=0,
        operator="Test",
        line=1,
        key="k",
        inputs={},
    )
    end = StepFinished(
        run_id="r1",
        seq=2,
        at=2.0,
        step_id="s",
        status=status,
        output=None,
        error=error,
        reused=False,
        wall_ms=1.0,
        cpu_ms=1.0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
    )
    return [started(), begin, end]


@pytest.mark.parametrize(
    ("events", "ending", "signature"),
    [
        (
            failing_step("error", "KeyError: 'a'"),
            {"status": "error", "error": "KeyError: 'a'"},
            "Test: KeyError: <text>",
        ),
        (failing_step("error", "KeyError: 'a'"), {"status": "failed"}, "Test: KeyError: <text>"),
        ([started()], {"status": "infra", "error": "no Docker at /var/run/x"}, "run: no Docker at <path>"),
        ([started()], {"status": "budget"}, "run: budget"),
        ([started()], {"status": "cancelled", "error": "you did"}, None),
        (whole_run(end=False), {"status": "failed"}, "evaluation: test tests passed"),
        (whole_run(end=False), {"status": "passed"}, None),
    ],
    ids=["error", "step", "infra", "budget", "cancelled", "tests", "passed"],
)
def test_a_failure_has_a_signature(
    tmp_path: Path, events: list[Event], ending: dict[str, str], signature: str | None
) -> None:
    store(tmp_path / "store.db", [*events, finished(**ending)])

    assert Reader(tmp_path / "store.db").run("r1").error_sig == signature


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: bad 'x' at line 12", "ValueError: bad 'yy' at line 9"),
        ("Traceback\n  File /a/b.py\nOSError: /tmp/a1 is full", "OSError: /home/u/x.txt is full"),
        ("object at 0x7f00ab", "object at 0x123456"),
        ("took 1.5e-3 s", "took 20 s"),
    ],
)
def test_errors_of_one_cause_share_a_signature(one: str, other: str) -> None:
    assert error_signature("Op", one) == error_signature("Op", other)
    assert error_signature("Op", one) != error_signature("Other", one)


def test_errors_of_other_types_differ() -> None:
    assert error_signature("Op", "KeyError: 'a'") != error_signature("Op", "IndexError: 'a'")
    assert error_signature("Op", "\n") == "Op: no message"


def test_text_for_a_column_is_short_and_storable() -> None:
    assert plain("a\0\ud83db") == "a\ufffd?b"
    assert excerpt("  a \n\t b  " + "c" * 100, 10) == "a b ccccc…"
    assert len(plain("x" * 100, 10)) == 10
