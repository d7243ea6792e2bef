"""Experiments read back: which attempt of a trial is reported, what it cost, and how fast that is told."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from engine.events import Event, ModelCallFinished, ModelCallStarted, RunStarted
from engine.experiments.keys import TrialKey, search_key
from store.db import open_writer, write
from store.errors import StoreError
from store.projections import add
from store.reader import Reader
from tests.store.samples import finished, started, store

# Ten thousand take 9 s of CPU time to write.
MANY = 10_000 if os.environ.get("FLOWREASONER_LONG") else 2_000
PLAN: dict[str, Any] = {
    "variants": {"vanilla": "vanilla", "b": "b"},
    "problems": ["p/1", "p 2"],
    "repeats": 1,
}


def call(run_id: str, seq: int, role: str, at: float, wall_ms: float, cost: float | None) -> list[Event]:
    asked = ({"role": "user", "content": f"{run_id}{seq}"},)
    return [
        ModelCallStarted(
            run_id=run_id,
            seq=seq,
            at=at,
            call_id=f"c{seq}",
            role=role,  # type: ignore[arg-type]
            model="m",
            step_id=None,
            messages=asked,
            params={},
        ),
        ModelCallFinished(
            run_id=run_id,
            seq=seq + 1,
            at=at + wall_ms / 1e3,
            call_id=f"c{seq}",
            text="t",
            reasoning="",
            finish="stop",
            tokens_in=10,
            tokens_out=5,
            cost_usd=cost,
            ttft_ms=1.0,
            wall_ms=wall_ms,
        ),
    ]


def attempt(
    run_id: str, key: TrialKey | str, status: str | None, at: float, stage: str = "final", **ending: Any
) -> list[Event]:
    """One run of a trial; without a status it has not ended."""
    origin = {"experiment": "e", "trial": str(key), "stage": stage}
    events: list[Event] = [started(run_id, at=at, origin=origin)]
    if status is not None:
        score = {"passed": 1.0, "failed": 0.5}.get(status)
        ending = {"score": score, "workflow_id": None, "cost_usd": 0.25, **ending}
        events.append(finished(run_id, at=at + 1, status=status, **ending))
    return events


def plan(path: Path, data: dict[str, Any] = PLAN) -> None:
    db = open_writer(path)
    with write(db):
        db.execute(
            "INSERT INTO experiments VALUES ('e', 'bench', ?, 1.0, NULL, NULL, NULL)", (json.dumps(data),)
        )
    db.close()


def test_the_latest_attempt_that_counts_is_reported_and_all_of_them_are_paid_for(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    plan(path)
    first, second = TrialKey("vanilla", "p/1", 1), TrialKey("b", "p 2", 1)
    store(path, attempt("r1", first, "infra", 1.0))
    store(path, attempt("r2", first, "failed", 2.0))
    store(path, attempt("r3", first, "passed", 3.0))
    store(path, attempt("r4", first, "cancelled", 4.0))
    store(path, attempt("r5", second, "infra", 5.0))
    store(path, attempt("r6", second, None, 6.0))
    with Reader(path) as reader:
        rows = reader.experiments.trials("e")
        experiment = reader.experiments.named("e")
        listed = [r.id for r in reader.runs(experiment="e").rows]
    assert [(r.label, r.problem_id, r.run_id, r.status, r.attempts, r.is_done) for r in rows] == [
        ("vanilla", "p/1", "r3", "passed", 4, True),
        ("b", "p 2", "r6", "running", 2, False),
    ]
    assert (experiment.done, experiment.total, experiment.runs) == (1, 4, 6)
    assert experiment.known_cost_usd == pytest.approx(5 * 0.25)
    vanilla, other = experiment.variants
    assert (vanilla.done, vanilla.passed, vanilla.score, vanilla.total) == (1, 1, 1.0, 2)
    assert (other.done, other.score, other.infra) == (0, None, 0)
    assert listed == ["r6", "r5", "r4", "r3", "r2", "r1"]


def test_meta_agent_and_worker_are_told_apart_and_calls_at_once_are_waited_for_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    plan(path)
    begin, end = attempt("r1", TrialKey("vanilla", "p/1", 1), "passed", 100.0)
    calls = [
        *call("r1", 1, "meta", 100.0, 2000.0, 0.5),
        *call("r1", 3, "worker", 102.0, 1000.0, None),
        *call("r1", 5, "worker", 102.5, 1000.0, 0.5),
    ]
    store(path, [begin, *calls, end])
    with Reader(path) as reader:
        (row,) = reader.experiments.trials("e")
    assert (row.meta.calls, row.meta.tokens_in, row.meta.cost_usd) == (1, 10, 0.5)
    assert row.meta.latency_ms == pytest.approx(2000.0, abs=1)
    assert (row.worker.calls, row.worker.cost_usd) == (2, None)
    assert row.worker.latency_ms == pytest.approx(1500.0, abs=1)
    assert row.worker.call_ms == pytest.approx(2000.0)


def test_searches_are_no_trials_and_what_they_found_is_told_by_label(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    plan(path)
    store(path, attempt("r1", search_key("b"), "answered", 1.0, "search"))
    store(path, attempt("r2", TrialKey("b", "v", 1, "round-1"), "passed", 1.0, "search"))
    db = open_writer(path)
    with write(db):
        for key, value in (("round-1", "1"), ("", '{"workflow": 1}')):
            db.execute("INSERT INTO journal VALUES ('e', ?, ?, 0)", (json.dumps(["b", key]), value))
    db.close()
    with Reader(path) as reader:
        assert reader.experiments.trials("e") == []
        assert reader.experiments.found("e") == {"b": {"workflow": 1}}
        assert [v.search for v in reader.experiments.named("e").variants] == [None, "done"]
        assert reader.experiments.all()[0].runs == 2


def test_progress_is_told_in_the_order_in_which_trials_ended_and_thinned_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    ids = [f"p{n}" for n in range(6)]
    plan(path, {"variants": PLAN["variants"], "problems": ids, "repeats": 1})
    ended = {"p0": ("failed", 60.0, 0.4), "p1": ("passed", 10.0, None), "p2": ("passed", 30.0, 0.2)}
    ended |= {"p3": ("error", 20.0, 0.3), "p4": ("infra", 5.0, 9.0)}
    for number, (problem_id, (status, at, usd)) in enumerate(ended.items()):
        key = TrialKey("vanilla", problem_id, 1)
        store(path, attempt(f"r{number}", key, status, at, cost_usd=usd))
    store(path, attempt("again", TrialKey("vanilla", "p0", 1), "passed", 70.0, cost_usd=0.1))
    store(path, attempt("found", TrialKey("vanilla", "p1", 1, "round-1"), "failed", 1.0, "search"))
    with Reader(path) as reader:
        whole = reader.experiments.progress("e", points=10)
        thinned = reader.experiments.progress(points=2)
        assert reader.experiments.progress("no such", points=10) is None
    assert whole is not None and thinned is not None and thinned.name == "e"
    vanilla, other = whole.variants
    rates = [mean.pass_rate for mean in vanilla.means]
    assert rates == [1.0, 1 / 2, 2 / 3, 3 / 4]  # p1, p3, p2, and p0 as it ended the second time
    costs = [mean.cost_usd for mean in vanilla.means]
    assert costs[0] is None and costs[1:] == pytest.approx([0.3, 0.25, 0.2])
    assert (vanilla.done, vanilla.total, vanilla.means[-1].priced) == (4, 6, 3)
    assert (other.label, other.done, other.means) == ("b", 0, ())
    assert [mean.trials for mean in thinned.variants[0].means] == [2, 4]
    assert thinned.variants[0].means[-1].pass_rate == vanilla.means[-1].pass_rate


def test_a_trial_that_was_resumed_costs_what_its_unfinished_attempts_paid_for_as_well(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    ids = ["once", "twice", "unpriced", "anew", "forked"]
    plan(path, {"variants": PLAN["variants"], "problems": ids, "repeats": 1})
    made = (
        ("r1", "once", "interrupted", 0.4, None),
        ("r2", "once", "passed", 0.1, "r1"),
        ("r3", "twice", "interrupted", 0.4, None),
        ("r4", "twice", "cancelled", 0.2, "r3"),
        ("r5", "twice", "failed", 0.1, "r4"),
        ("r6", "unpriced", "interrupted", None, None),
        ("r7", "unpriced", "passed", 0.1, "r6"),
        ("r8", "anew", "infra", 0.8, None),
        ("r9", "anew", "passed", 0.1, None),  # nothing of the attempt before it was used
        ("ra", "forked", "passed", 0.1, "r5"),  # goes on from a run that is no attempt of this trial
    )
    for at, (run_id, problem_id, status, usd, parent) in enumerate(made):
        key = TrialKey("vanilla", problem_id, 1)
        begin, end = attempt(run_id, key, status, float(at), cost_usd=usd)
        assert isinstance(begin, RunStarted)
        store(path, [dataclasses.replace(begin, origin={**(begin.origin or {}), "parent": parent}), end])
    with Reader(path) as reader:
        found = reader.experiments.progress("e", points=10)
    assert found is not None
    means = found.variants[0].means
    spent = [(mean.cost_usd or 0.0) * mean.priced for mean in means]
    each = [now - before for before, now in zip([0.0, *spent], spent, strict=False)]
    assert each == pytest.approx([0.5, 0.7, 0.0, 0.1, 0.1])
    assert [mean.priced for mean in means] == [1, 2, 2, 3, 4]


def test_an_unknown_experiment_is_said_so(tmp_path: Path) -> None:
    with Reader(tmp_path / "none.db") as reader:
        assert reader.experiments.all() == []
        with pytest.raises(StoreError, match="no experiment 'x'"):
            reader.experiments.named("x")


@pytest.mark.parametrize(
    "key",
    [
        TrialKey("a,b=c/d", 'p"],["', 1),
        TrialKey("search", "\ud800\0\n", 12),
        TrialKey("a", "b", 1, "cand/1"),
        TrialKey("search", "a", 1),
    ],
)
def test_a_trial_key_is_plain_text_and_comes_back(key: TrialKey) -> None:
    text = str(key)
    assert text.isascii() and text.isprintable()
    assert TrialKey.parse(text) == key


def test_ten_thousand_trials_would_be_read_in_a_second(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    ids = [f"p{n}" for n in range(MANY // 2)]
    plan(path, {"variants": PLAN["variants"], "problems": ids, "repeats": 1})
    db = open_writer(path)
    with write(db):
        for number, (label, problem_id) in enumerate((v, p) for p in ids for v in ("vanilla", "b")):
            run_id = f"r{number:05}"
            begin, end = attempt(run_id, TrialKey(label, problem_id, 1), "passed", float(number))
            calls = [*call(run_id, 1, "meta", 1.0, 10.0, 0.0), *call(run_id, 3, "worker", 2.0, 10.0, 0.0)]
            add(db, (begin, *calls, end))
    db.close()
    with Reader(path) as reader:
        began = time.process_time()
        rows = reader.experiments.trials("e")
        trials_s = time.process_time() - began
        began = time.process_time()
        assert reader.experiments.named("e").done == MANY
        print(f"trials {trials_s:.2f} s, experiment {time.process_time() - began:.2f} s")
    assert [(r.problem_id, r.label) for r in rows[:3]] == [("p0", "vanilla"), ("p0", "b"), ("p1", "vanilla")]
    assert len(rows) == MANY
    assert trials_s < 3.0 * MANY / 10_000  # of CPU time; 0.4 s were measured for ten thousand
