"""An experiment that is paused, goes on, and says how it stands and what it waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.events import Event, ModelCallStarted, ModelDelta, ModelRetry, RunFinished, RunPaused, RunResumed
from engine.experiments.standing import Standing
from engine.experiments.trials import TrialRequest, Watch
from engine.experiments.waits import Waits
from engine.search import Trial
from tests.engine.test_experiment import Memory, ended_call, experiment, plan


class Gated:
    """A trial begins, says so, and ends when it is let."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.let = asyncio.Semaphore(0)

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        self.begun.put_nowait(request.problem.id)
        await self.let.acquire()
        watch(ended_call(0.5))
        return Trial("run", request.problem.id, 1, "passed", 1.0, None, None, 1, 1, 0.5)


async def test_a_paused_experiment_starts_nothing_lets_end_what_runs_and_goes_on() -> None:
    gated = Gated()
    run = experiment(plan(), gated, Memory(), concurrency=2)  # type: ignore[arg-type]
    ended: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(run.run(lambda *trial: ended.put_nowait(trial)))
    assert {await gated.begun.get(), await gated.begun.get()} == {"p0", "p1"}
    run.guard.pause()
    assert (run.standing().status, run.standing().running) == ("pausing", 2)
    gated.let.release()
    gated.let.release()
    await ended.get()
    await ended.get()
    assert gated.begun.empty()
    standing = run.standing()
    assert (standing.status, standing.done, standing.running, standing.eta_s) == ("paused", 2, 0, None)
    assert (standing.spent_usd, standing.variants[0].pass_rate) == (1.0, 1.0)
    run.guard.go_on()
    assert {await gated.begun.get(), await gated.begun.get()} == {"p2", "p3"}
    assert run.standing().status == "running"
    gated.let.release()
    gated.let.release()
    assert await task == "done"


async def test_a_paused_experiment_with_nothing_left_to_start_ends() -> None:
    gated = Gated()
    run = experiment(plan(), gated, Memory(), concurrency=4)  # type: ignore[arg-type]
    task = asyncio.create_task(run.run(lambda *_: None))
    for _ in range(4):
        await gated.begun.get()
    run.guard.pause()
    for _ in range(4):
        gated.let.release()
    assert await task == "done"


async def test_a_paused_experiment_can_be_cancelled() -> None:
    gated = Gated()
    run = experiment(plan(), gated, Memory())  # type: ignore[arg-type]
    run.guard.pause()
    task = asyncio.create_task(run.run(lambda *_: None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gated.begun.empty()


def test_a_standing_survives_the_way_over_a_socket() -> None:
    standing = experiment(plan(), Gated(), Memory(), budget_usd=2.0).standing()  # type: ignore[arg-type]
    data = standing.to_json()
    assert data["variants"][0]["pass_rate"] is None
    assert Standing.from_json(data) == standing


def test_waits_count_runs_by_what_they_wait_for() -> None:
    def started(call_id: str, model: str) -> ModelCallStarted:
        return ModelCallStarted(
            call_id=call_id, role="worker", model=model, step_id=None, messages=(), params={}
        )

    def of(run_id: str, event: Event) -> None:
        waits.watch(type(event)(**({**vars(event)} | {"run_id": run_id})))

    waits = Waits()
    assert waits.told() == ()
    for run_id in "abc":
        of(run_id, started("1", "w"))
    of("a", started("2", "w"))  # two calls of one run are one run that waits
    of("d", ended_call(1.0))
    assert waits.told() == ("3 for w", "1 for the sandbox")
    of("b", ModelRetry(call_id="1", attempt=1, reason="429", wait_s=3.0))
    assert "1 for another try of w (429)" in waits.told()
    of("b", ModelDelta(call_id="1", channel="text", text="x"))
    assert waits.told() == ("3 for w", "1 for the sandbox")
    stop: dict[str, Any] = {"step_id": None, "operator": "test", "line": 1, "locals": {}}
    of("d", RunPaused(reason="before test", where="before", execution_id="e", **stop))
    assert "1 for you (stopped: before test)" in waits.told()
    of("d", RunResumed(action="continue", step_id=None))
    totals: dict[str, Any] = {"tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0, "model_calls": 0}
    totals |= {"steps": 0, "wall_ms": 0.0, "answer": None, "workflow_id": None, "error": None}
    for run_id in "abcd":
        of(run_id, RunFinished(status="passed", score=1.0, val_score=None, **totals))
    assert waits.told() == ()
