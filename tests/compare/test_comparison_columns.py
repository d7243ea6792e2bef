"""Trials read as columns: the same as their rows, whatever became of them; and what is made of very many."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.experiments.keys import TrialKey
from store.compare.comparison import compare, to_json
from store.reader import Reader
from store.trial_columns import STATUSES
from store.trial_rows import TrialRow
from tests.support.trials import CODE, FAIL, PASS, Ran, Step, store_experiment, store_run
from tui.reports.tables import emit

FACE = "p\U0001f600"  # JSON in ASCII names it by two surrogates, which SQLite cannot take apart
KEPT = ("score", "val_score", "ran_as_written", "wall_ms", "complexity", "meta_cost_usd", "worker_tokens_in")
KEPT_TOO = ("meta_calls", "meta_latency_ms", "worker_calls", "worker_cost_usd", "worker_latency_ms")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An experiment of two variants with every kind of ending, and a trial that went on from a killed run."""
    path = tmp_path / "store.db"
    steps = (Step("Custom", "x"), Step("Test", "y"))
    every = [
        Ran(status, worker_usd=0.25, meta_usd=0.5) for status in ("answered", "budget", "infra", "running")
    ]
    trials = {
        "p2": [Ran("passed", val_score=0.5, strict=False, code=CODE, steps=steps), FAIL],
        "p1": [Ran("error", error="boom", worker_usd=None, code=f"{CODE}\n# other")],
        FACE: [PASS, Ran("running", worker_ms=7.0)],
        "p3": every,
    }
    plan = {"problems": ["p1", "p2", FACE]}  # p3 is in the store alone
    store_experiment(path, "e", {"a": trials, "b": {"p1": [PASS], FACE: [FAIL]}}, **plan)
    origin = {"experiment": "e", "trial": str(TrialKey("b", "p2", 1)), "stage": "final"}
    store_run(path, "killed", Ran("running", worker_usd=0.5), problem="p2", variant="b", origin=origin)
    again = origin | {"parent": "killed"}
    store_run(path, "again", Ran("passed", worker_usd=0.125), problem="p2", variant="b", origin=again)
    return path


def rows_of(reader: Reader, label: str) -> list[TrialRow]:
    return [row for row in reader.experiments.trials("e") if row.label == label]


def test_columns_are_the_rows_of_a_variant_in_the_same_order(path: Path) -> None:
    with Reader(path) as reader:
        for label, trials in (("a", 9), ("b", 3)):
            rows, columns = rows_of(reader, label), reader.experiments.columns("e", label)
            assert len(rows) == len(columns) == trials
            assert sorted(columns.run_ids) == sorted(row.run_id for row in rows)
            place = {run_id: at for at, run_id in enumerate(columns.run_ids)}
            for row in rows:
                at = place[row.run_id]
                assert columns.problems[columns.problem[at]] == row.problem_id
                assert STATUSES[columns.status[at]] == row.status
                assert bool(columns.is_done[at]) == row.is_done
                workflow = columns.workflow[at]
                assert (columns.workflows[workflow] if workflow >= 0 else None) == row.workflow_id
                assert columns.calls[at] == sum(row.operators.values())
                for name in (*KEPT, *KEPT_TOO):
                    value = getattr(row, name)
                    assert math.isnan(columns[name][at]) if value is None else columns[name][at] == value, (
                        name
                    )
            planned = [run_id for run_id in columns.run_ids if "-3-" not in run_id]
            assert planned == [row.run_id for row in rows if row.problem_id != "p3"]
        again = reader.experiments.columns("e", "b")
        assert (
            again["worker_cost_usd"][again.run_ids.index("again")] == 0.625
        )  # what the killed run paid as well


def test_a_damaged_trial_is_left_out_of_a_comparison_and_counted_once(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE usage SET operators = '{broken' WHERE run_id = 'e-a-0-1'")
        db.execute("UPDATE usage SET worker_tokens_in = 'many' WHERE run_id = 'e-a-1-1'")
        db.commit()
    with Reader(path) as reader:
        first, second = compare(reader, ["e"]).sides
        left = [run_id for side in (first, second) for run_id in side.parts[0].trials.run_ids]
        assert not {"e-a-0-1", "e-a-1-1"} & set(left) and len(left) == 10
        assert reader.damaged == 2
        compare(reader, ["e"])
        assert reader.damaged == 2


def test_the_same_scores_in_another_order_are_a_tie(tmp_path: Path) -> None:
    scores = [0.1, 0.2, 0.3, 0.7]
    before, after = ([Ran("failed", score) for score in order] for order in (scores, scores[::-1]))
    store_experiment(tmp_path / "store.db", "e", {"a": {"p": before}, "b": {"p": after}})
    with Reader(tmp_path / "store.db") as reader:
        (pair,) = compare(reader, ["e"]).pairs
    assert ([p.outcome for p in pair.problems], pair.ties) == (["same"], 1)
    assert pair.problems[0].scores == (0.325, 0.325)


def test_problems_are_a_sequence_that_is_looked_at_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.compare.pairs._AT_ONCE", 5)
    trials = [[PASS if (n % 2 == 0) != (n % 5 == shift) else FAIL for n in range(12)] for shift in (9, 0)]
    sides = {
        label: {f"p{n}": [ran] for n, ran in enumerate(of)} for label, of in zip("ab", trials, strict=True)
    }
    store_experiment(tmp_path / "store.db", "e", sides)
    with Reader(tmp_path / "store.db") as reader:
        (pair,) = compare(reader, ["e"]).pairs
    assert [p.problem_id for p in pair.problems] == [f"p{n}" for n in range(12)]
    assert [(p.problem_id, p.outcome) for p in pair.flips] == [
        ("p0", "lost"),
        ("p5", "gained"),
        ("p10", "lost"),
    ]
    assert pair.problems[-1] == list(pair.problems)[-1]
    assert [p.problem_id for p in pair.problems[4:7]] == ["p4", "p5", "p6"]
    with pytest.raises(IndexError):
        pair.problems[12]


def test_json_is_printed_in_parts_and_is_the_same(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Reader(path) as reader:
        found = compare(reader, ["e"])
    emit(to_json(found, rows=iter), "", True)
    assert capsys.readouterr().out == json.dumps(to_json(found)) + "\n"
    emit({"a": iter(range(1_234)), "b": [iter("")], "c": iter([{"d": "]"}])}, "", True)
    whole = {"a": list(range(1_234)), "b": [[]], "c": [{"d": "]"}]}
    assert capsys.readouterr().out == json.dumps(whole) + "\n"
