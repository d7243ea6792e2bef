"""A run whose container is taken away goes on in a fresh one, or ends as infra, never as a wrong answer."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess

import pytest

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    StepStarted,
    WorkflowFinished,
    WorkflowStarted,
)
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.runner import Run
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, GENERATE, RIGHT, TEST_AND_REVISE, WRONG, end, of, wrong_then_right
from tests.support.scripted import Answer, ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Thief(ScriptedModel):
    """While it answers `times` calls, after the first `before`, the container of the run that asks is
    removed.
    """

    def __init__(self, times: int, answer: Answer | str = RIGHT, *, before: int = 0) -> None:
        super().__init__("worker", answer)
        self.times, self.before = times, before
        self.container = ""

    async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
        if self.times and len(self.calls) >= self.before:
            self.times -= 1
            command = ["docker", "rm", "-f", self.container]
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
            await asyncio.Event().wait()
        async for item in super().stream(messages, sampling):
            yield item


async def _run(
    sandbox: Pool, thief: Thief, *, meta: str = GENERATE, budget: Budget | None = None
) -> list[Event]:
    if sandbox.name != "docker":
        pytest.skip("no Docker daemon on this machine: there is no container to remove")
    services = Services(ScriptedModel("meta", meta), thief, sandbox)
    run = Run(DOUBLE, RunConfig(rounds=1, repeats=1, budget=budget or Budget()), services)
    events = []
    async with contextlib.aclosing(run.events()) as stream:
        async for event in stream:
            if isinstance(event, WorkflowStarted):
                thief.container = event.container_id
            events.append(event)
    return events


async def test_a_lost_container_is_replaced_once(sandbox: Pool) -> None:
    events = await _run(sandbox, Thief(1))
    assert end(events).status == "passed"
    assert [e.status for e in of(events, WorkflowFinished)][:2] == ["infra", "ok"]
    assert any("fresh container" in n.text for n in of(events, Notice))


async def test_what_was_answered_before_a_container_was_lost_is_not_asked_again(sandbox: Pool) -> None:
    thief = Thief(1, wrong_then_right, before=1)
    events = await _run(sandbox, thief, meta=TEST_AND_REVISE, budget=Budget(model_calls=6))
    assert end(events).status == "passed"
    lost, again = [e.execution_id for e in of(events, WorkflowStarted)][:2]
    steps = {s.step_id: s.execution_id for s in of(events, StepStarted)}
    calls = {c.call_id: steps.get(c.step_id or "") for c in of(events, ModelCallStarted)}

    def replies(execution: str) -> list[tuple[str, bool, str | None]]:
        return [
            (e.text, "replayed" in e.flags, e.error)
            for e in of(events, ModelCallFinished)
            if calls[e.call_id] == execution
        ]

    assert replies(lost) == [(WRONG, False, None), ("", False, "cancelled")]
    assert replies(again) == [(WRONG, True, None), (RIGHT, False, None)]
    # The meta-agent's, the two of the lost execution, one of its second attempt, two of the final one.
    assert end(events).model_calls == 6
    assert len(thief.calls) == 4


async def test_a_container_lost_again_ends_the_run_as_infra(sandbox: Pool) -> None:
    events = await _run(sandbox, Thief(2))
    assert end(events).status == "infra"
    assert end(events).score is None
    assert len(of(events, WorkflowStarted)) == 2
