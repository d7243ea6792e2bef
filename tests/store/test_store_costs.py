"""What runs cost and how long they wait: which calls count, over what it is a mean, and in which unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RunFinished,
    StepFinished,
    StepStarted,
    WorkflowStarted,
)
from engine.experiments.guard import Guard
from engine.experiments.keys import TrialKey
from store import costs
from store.db import open_writer, write
from store.experiment_log import ExperimentLog
from store.interrupted import mark_interrupted
from store.reader import Reader
from tests.store.samples import finished, started, store
from tests.support.trials import Ran, store_experiment, store_run
from tui.trace.state import RunState

UNREACHABLE = "the prompt is longer than the model's context"


def call(
    cost: float | None,
    *,
    role: str = "worker",
    error: str | None = None,
    wall_ms: float = 1.0,
    model: str = "m",
) -> list[Event]:
    """A model call; the number of its run's events makes its id."""
    ended = ModelCallFinished(
        call_id="",
        text="",
        reasoning="",
        finish="error" if error else "stop",
        tokens_in=0 if error else 10,
        tokens_out=0 if error else 5,
        cost_usd=cost,
        ttft_ms=1.0,
        wall_ms=wall_ms,
        error=error,
    )
    begun = ModelCallStarted(
        call_id="",
        role=role,  # type: ignore[arg-type]
        model=model,
        step_id=None,
        messages=({"role": "user", "content": "q"},),
        params={},
    )
    return [begun, ended]


def step(wall_ms: float, *, reused: bool = False, status: str = "ok") -> list[Event]:
    begun = StepStarted(step_id="", execution_id="e1", index=0, operator="Test", line=3, key="k", inputs={})
    ended = StepFinished(
        step_id="",
        status=status,
        output=None,
        error=None,
        reused=reused,
        wall_ms=wall_ms,
        cpu_ms=1.0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=0.0,
    )
    return [begun, ended]


def run_of(
    parts: Sequence[Sequence[Event]],
    run_id: str = "r1",
    *,
    at: float = 1000.0,
    ended: bool = True,
    cost: float | None = 0.0,
    **about: Any,
) -> list[Event]:
    """A run of these calls and steps, one after the other."""
    execution = WorkflowStarted(
        execution_id="e1", workflow_id="wf", round=1, repeat=1, purpose="test", container_id="box"
    )
    body: list[Event] = [started(run_id, **about), execution]
    for number, part in enumerate(parts):
        for event in part:
            name = "call_id" if isinstance(event, ModelCallStarted | ModelCallFinished) else "step_id"
            body.append(dataclasses.replace(event, **{name: f"{name[0]}{number}"}))
    if ended:
        body.append(finished(run_id, cost_usd=cost, workflow_id=None))
    return [
        dataclasses.replace(e, run_id=run_id, seq=n, at=at + n, mono=float(n)) for n, e in enumerate(body)
    ]


FAILED = [call(0.25), call(None, error=UNREACHABLE), call(0.5)]
UNPRICED = [call(0.25), call(None), call(0.5)]


@pytest.mark.parametrize(("calls", "cost"), [(FAILED, 0.75), (UNPRICED, None)])
async def test_a_failed_call_leaves_a_cost_known_and_a_call_without_a_price_does_not(
    tmp_path: Path, calls: list[list[Event]], cost: float | None
) -> None:
    """Wherever a cost is told: of the run, of its trial, in an estimate, against the budget, on screen."""
    path = tmp_path / "store.db"
    origin = {"experiment": "e", "trial": str(TrialKey("v", "p", 1)), "stage": "final"}
    events = run_of(calls, origin=origin, cost=cost)
    store(path, events[:-1])
    with write(open_writer(path)) as db:
        db.execute("INSERT INTO experiments VALUES ('e', 'b', '{}', 1.0, NULL, NULL, NULL)")
    with Reader(path) as reader:
        assert reader.run("r1").cost_usd == cost
        assert reader.experiments.trial_of("r1").worker.cost_usd == cost
        assert reader.experiments.trial_of("r1").worker.calls == 3
    async with ExperimentLog(path, "e") as log:
        assert await log.spent() == (0.75, 0 if cost else 1)

    guard, state = Guard(), RunState()
    for event in events[:-1]:
        guard.watch(event)
        state.apply(event)
    assert (guard.spent_usd, guard.unknown_calls) == (0.75, 0 if cost else 1)
    assert state.spent.cost_usd == cost

    with write(open_writer(path)) as db:
        db.execute("UPDATE runs SET owner_start = owner_start + 1")
    db = open_writer(path)
    mark_interrupted(db)
    db.close()
    with Reader(path) as reader:
        *_, end = reader.events("r1")
    assert isinstance(end, RunFinished)
    assert end.cost_usd == cost


LIKE: dict[str, Any] = {"variant": "v", "meta_agent": "meta", "worker": "w", "problems": ["p"]}
CONFIG = {"rounds": 2, "seed": 1, "budget": {"usd": None}}


def test_an_estimate_is_a_mean_over_runs_whatever_seed_and_budget_they_had(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for number, usd in enumerate((0.1, 0.2, 0.6)):
        store_run(path, f"r{number}", Ran(worker_usd=usd, seed=number))
    with Reader(path) as reader:
        found = reader.costs.of_runs(**LIKE, config=CONFIG | {"seed": 9, "budget": {"usd": 3.0}})
        assert found is not None
        assert (found.runs, found.worker.calls, found.worker.tokens_in) == (3, 1.0, 10.0)
        assert found.cost_usd == pytest.approx(0.3)
        assert reader.costs.of_runs(**LIKE, config=CONFIG | {"rounds": 3}) is None


@pytest.mark.parametrize(("calls", "cost"), [(FAILED, 0.75), (UNPRICED, None)])
def test_a_failed_call_leaves_an_estimate_known(
    tmp_path: Path, calls: list[list[Event]], cost: float | None
) -> None:
    path = tmp_path / "store.db"
    store(path, run_of(calls, problem={"id": "p"}, config={}, variant="v", cost=cost))
    with Reader(path) as reader:
        found = reader.costs.of_runs(**LIKE | {"meta_agent": "m"}, config={})
    assert found is not None
    assert found.worker.cost_usd == cost


def test_an_estimate_is_of_the_newest_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_NEWEST", 2)
    path = tmp_path / "store.db"
    for number, usd in enumerate((8.0, 0.5, 0.25)):
        store_run(path, f"r{number}", Ran(worker_usd=usd), at=1000.0 + number)
    with Reader(path) as reader:
        found = reader.costs.of_runs(**LIKE, config=CONFIG)
    assert found is not None
    assert (found.runs, found.cost_usd) == (2, pytest.approx(0.375))


def test_runs_that_say_nothing_are_in_no_estimate(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for number, status in enumerate(("passed", "failed", "error", "budget", "infra", "cancelled", "running")):
        store_run(path, f"r{number}", Ran(status, worker_usd=0.5))
    with Reader(path) as reader:
        found = reader.costs.of_runs(**LIKE, config=CONFIG)
    assert found is not None
    assert found.runs == 4


def test_what_was_served_from_a_record_makes_no_estimate_cheaper(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    about: dict[str, Any] = {"problem": {"id": "p"}, "config": {}, "variant": "v"}
    store(path, run_of([call(0.5)], **about, cost=0.5))
    store(path, run_of([call(0.0)], "r2", **about, origin={"parent": "r1"}))
    with Reader(path) as reader:
        found = reader.costs.of_runs(**LIKE | {"meta_agent": "m"}, config={})
    assert found is not None
    assert (found.runs, found.worker.cost_usd) == (1, 0.5)


def test_what_an_experiment_cost_is_unknown_as_soon_as_one_of_its_runs_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "known", {"v": {"p": [Ran(worker_usd=0.25)], "q": [Ran(worker_usd=0.5)]}})
    store_experiment(path, "open", {"v": {"p": [Ran(worker_usd=None)], "q": [Ran(worker_usd=0.5)]}})
    with Reader(path) as reader:
        known, unpriced = reader.experiments.named("known"), reader.experiments.named("open")
    assert (known.cost_usd, known.known_cost_usd) == (0.75, 0.75)
    assert (unpriced.cost_usd, unpriced.known_cost_usd) == (None, 0.5)


# What is usual


def test_the_usual_wait_is_the_95th_percentile_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    parts = [part for n in range(1, 21) for part in (call(0.0, wall_ms=n * 1000.0), step(n * 2000.0))]
    store(path, run_of(parts))
    with Reader(path) as reader:
        assert reader.usual_waits() == {("model", "m"): 19.0, ("operator", "Test"): 38.0}


def test_there_is_something_usual_about_five_waits_and_not_about_four(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for number in range(5):
        with Reader(path) as reader:
            assert reader.usual_waits() == {}
        parts = [call(0.0, wall_ms=1000.0), step(1000.0)]
        store(path, run_of(parts, f"r{number}", at=1000.0 + number))
    with Reader(path) as reader:
        assert reader.usual_waits() == {("model", "m"): 1.0, ("operator", "Test"): 1.0}


def test_what_took_no_time_of_its_own_is_not_usual(tmp_path: Path) -> None:
    """Calls that failed, and steps that failed or were served from a record."""
    path = tmp_path / "store.db"
    usual = [part for _ in range(5) for part in (call(0.0, wall_ms=1000.0), step(1000.0))]
    odd = [
        part
        for _ in range(20)
        for part in (
            call(None, wall_ms=9e6, error="refused"),
            step(9e6, reused=True),
            step(9e6, status="error"),
        )
    ]
    store(path, run_of([*usual, *odd]))
    with Reader(path) as reader:
        assert reader.usual_waits() == {("model", "m"): 1.0, ("operator", "Test"): 1.0}
