"""Real runs in a real sandbox, stopped, looked at and changed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from engine.events import (
    CodeExecuted,
    Event,
    ModelCallStarted,
    RunPaused,
    StepFinished,
    StepStarted,
    WorkflowFinished,
)
from engine.operators.sets import PAPER
from engine.run.context import RunConfig, Services
from engine.run.control import parse_breakpoint
from engine.run.control.control import Stop
from engine.run.ledger import Budget
from engine.runner import Run, workflow_job
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, WRONG, completion, end, of
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = """
count = 0
for attempt in range(2):
    count += 1
    made = await self.custom_code_generate(problem=problem, entry_point=entry_point)
tested = await self.test(problem=problem, solution=made["response"], entry_point=entry_point, test_loop=0)
return made["response"]
"""
FIRST_LINE = 3  # of the body, in the source that `completion` makes


async def debugged(
    sandbox: Pool,
    breakpoints: list[str],
    act: Callable[[Run, Stop], None],
    *,
    body: str = BODY,
    worker: str = RIGHT,
    config: RunConfig | None = None,
) -> list[Event]:
    """All events of a run of `body`, with `act` called at each stop."""
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow), built
    services = Services(ScriptedModel("meta", ""), ScriptedModel("worker", worker), sandbox)
    run = Run(DOUBLE, config or RunConfig(repeats=1), services, job=workflow_job(built))
    run.control.set_breakpoints([parse_breakpoint(text) for text in breakpoints])
    events = []
    async with aclosing(run.events()) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, RunPaused):
                assert run.control.stop is not None
                act(run, run.control.stop)
    return events


async def test_a_line_stops_each_time_it_is_reached_with_its_variables(sandbox: Pool) -> None:
    seen: list[Any] = []

    def act(run: Run, stop: Stop) -> None:
        seen.append((stop.crossing.where, stop.crossing.line, stop.locals["count"], stop.locals["problem"]))
        run.control.resume()

    events = await debugged(sandbox, [f"line {FIRST_LINE + 2}"], act)

    assert seen == [("line", FIRST_LINE + 2, n, DOUBLE.prompt) for n in (0, 1)]
    assert end(events).status == "passed"


async def test_edited_inputs_are_what_the_operator_gets(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.edit({**stop.value, "instruction": "Write it in one line."})
        run.control.resume()

    events = await debugged(sandbox, ["before custom_code_generate"], act)

    asked = [e.messages[0]["content"] for e in of(events, ModelCallStarted)]
    assert len(asked) == 2
    assert all("Write it in one line." in text for text in asked)
    assert "instruction" not in of(events, StepStarted)[0].inputs  # what the workflow asked for stays told


async def test_edited_messages_are_what_the_model_gets(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.edit([{"role": "user", "content": "something else"}])
        run.control.resume()

    events = await debugged(sandbox, ["model custom_code_generate"], act)
    assert [e.messages[0]["content"] for e in of(events, ModelCallStarted)] == ["something else"] * 2


async def test_an_edited_output_is_what_the_workflow_gets(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.edit({"response": "def f(x):\n    return x * 2"})
        run.control.resume()

    events = await debugged(sandbox, ["after custom_code_generate"], act, worker=WRONG)
    assert end(events).status == "passed"
    assert of(events, StepFinished)[0].output == {"response": "def f(x):\n    return x * 2"}


async def test_a_skipped_step_calls_nothing(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.skip({"response": "def f(x):\n    return x + x"})

    events = await debugged(sandbox, ["before custom_code_generate"], act, worker=WRONG)
    assert of(events, ModelCallStarted) == []
    assert end(events).status == "passed"


async def test_a_failing_step_can_be_given_an_output(sandbox: Pool) -> None:
    body = 'made = await self.programmer(problem=3)\nreturn made["code"]'

    def act(run: Run, stop: Stop) -> None:
        assert stop.crossing.where == "error"
        assert stop.crossing.error
        run.control.edit({"code": "def f(x):\n    return 2 * x", "output": ""})
        run.control.resume()

    events = await debugged(sandbox, ["error"], act, body=body)
    assert of(events, StepFinished)[0].status == "ok"
    assert end(events).status == "passed"


async def test_a_verdict_stops_the_run_inside_the_step(sandbox: Pool) -> None:
    seen: list[tuple[str, str | None]] = []

    def act(run: Run, stop: Stop) -> None:
        seen.append((stop.crossing.where, stop.crossing.status))
        run.control.resume()

    events = await debugged(sandbox, ["verdict"], act, worker=WRONG)
    assert seen == [("verdict", "failed")]
    assert len(of(events, CodeExecuted)) == 1


async def test_finishing_early_scores_what_the_last_step_gave(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.finish_early()

    events = await debugged(sandbox, ["before test"], act)
    assert of(events, WorkflowFinished)[0].status == "ok"
    assert end(events).status == "passed"


async def test_finishing_before_any_step_is_a_failure_and_not_a_hang(sandbox: Pool) -> None:
    def act(run: Run, stop: Stop) -> None:
        run.control.finish_early()

    events = await debugged(sandbox, ["before custom_code_generate"], act)
    assert of(events, WorkflowFinished)[0].status == "cancelled"
    assert end(events).status == "failed"


async def test_standing_still_costs_no_time_of_the_budget(
    sandbox: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_s, clock = 0.0, time.monotonic

    def act(run: Run, stop: Stop) -> None:
        nonlocal stood_s
        stood_s += 1000.0  # longer than the whole budget
        run.control.resume()

    clock_of_run = SimpleNamespace(monotonic=lambda: clock() + stood_s)
    monkeypatch.setattr("engine.run.clock.time", clock_of_run)
    config = RunConfig(repeats=1, budget=Budget(wall_s=900.0))
    events = await debugged(sandbox, ["before test"], act, config=config)
    assert stood_s >= 1000.0
    assert end(events).status == "passed"
    assert end(events).wall_ms < 900_000


async def test_an_execution_is_timed_by_the_clock_that_stands_still_while_the_run_does(
    sandbox: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its steps are: by the sandbox's, which goes on, a paused execution took longer than its run."""
    clock, asked = time.monotonic, itertools.count()
    hurried = SimpleNamespace(monotonic=lambda: clock() + next(asked))  # a second for every look at it
    monkeypatch.setattr("engine.run.clock.time", hurried)
    events = await debugged(sandbox, ["before test"], lambda run, _: run.control.resume())
    execution = of(events, WorkflowFinished)[0]
    until = events.index(execution)
    steps = of(events[:until], StepFinished)
    assert len(steps) >= 2
    assert sum(step.wall_ms for step in steps) < execution.wall_ms < end(events).wall_ms


async def test_pausing_one_run_leaves_another_alone(sandbox: Pool) -> None:
    stood = asyncio.Event()

    def act(run: Run, stop: Stop) -> None:
        async def later() -> None:
            events = await debugged(sandbox, [], lambda *_: None)
            assert end(events).status == "passed"
            stood.set()
            run.control.resume()

        tasks.append(asyncio.create_task(later()))

    tasks: list[asyncio.Task[None]] = []
    events = await debugged(sandbox, ["before test"], act)
    await asyncio.gather(*tasks)
    assert stood.is_set()
    assert end(events).status == "passed"


async def test_a_workflow_cannot_ask_for_what_nobody_wanted(sandbox: Pool) -> None:
    """The `variables` request is the host's to ask for."""
    body = "await self.custom._host.call('variables', token='x', variables={})\nreturn 'x'"
    events = await debugged(sandbox, [], lambda *_: None, body=body)
    assert "nobody asked" in (of(events, WorkflowFinished)[0].error or "")
