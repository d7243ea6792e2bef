"""A run whose container is taken away goes on in a fresh one, or ends as infra, never as a wrong answer."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess

import pytest

from engine.events import Event, Notice, WorkflowFinished, WorkflowStarted
from engine.run.context import RunConfig, Services
from engine.runner import Run
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, GENERATE, RIGHT, end, of
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Thief(ScriptedModel):
    """While it answers its first `times` calls, the container of the run that asks is removed."""

    def __init__(self, times: int) -> None:
        super().__init__("worker", RIGHT)
        self.times = times
        self.container = ""

    async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
        if self.times:
            self.times -= 1
            command = ["docker", "rm", "-f", self.container]
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
            await asyncio.Event().wait()
        async for item in super().stream(messages, sampling):
            yield item


async def _run(sandbox: Pool, times: int) -> list[Event]:
    if sandbox.name != "docker":
        pytest.skip("no Docker daemon on this machine: there is no container to remove")
    thief = Thief(times)
    services = Services(ScriptedModel("meta", GENERATE), thief, sandbox)
    run = Run(DOUBLE, RunConfig(repeats=1), services)
    events = []
    async with contextlib.aclosing(run.events()) as stream:
        async for event in stream:
            if isinstance(event, WorkflowStarted):
                thief.container = event.container_id
            events.append(event)
    return events


async def test_a_lost_container_is_replaced_once(sandbox: Pool) -> None:
    events = await _run(sandbox, 1)
    assert end(events).status == "passed"
    assert [e.status for e in of(events, WorkflowFinished)][:2] == ["infra", "ok"]
    assert any("fresh container" in n.text for n in of(events, Notice))


async def test_a_container_lost_again_ends_the_run_as_infra(sandbox: Pool) -> None:
    events = await _run(sandbox, 2)
    assert end(events).status == "infra"
    assert end(events).score is None
    assert len(of(events, WorkflowStarted)) == 2
