"""Whoever is cancelled, or ends others, waits until they have ended: nothing is left running behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from engine.events import RunFinished, StepFinished, StepStarted, WorkflowFinished
from engine.experiments.contestants import contestants, specs_by_label
from engine.experiments.guard import Guard
from engine.experiments.plan import Plan
from engine.experiments.searching import Candidates
from engine.experiments.trials import TrialRequest, Watch
from engine.models.base import Message, ModelError, Sampling
from engine.operators.sets import PAPER
from engine.problems import Problem
from engine.run.context import RunConfig, RunContext, Services
from engine.run.ledger import Budget
from engine.runner import Run, workflow_job
from engine.search import Trial
from engine.tasks import Task
from engine.variants import Result
from engine.variants.final import repeated
from engine.variants.trials import together
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, completion, of, run_events
from tests.support.scripted import ScriptedModel

sandboxed = pytest.mark.asyncio(loop_scope="session")


class Work:
    """Something that takes several turns of the loop to end once it is told to."""

    def __init__(self) -> None:
        self.begun, self.ended = 0, 0

    async def __call__(self) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            self.ended += 1


class FailedError(Exception):
    pass


async def test_a_repeat_that_fails_ends_the_others_before_it_is_told() -> None:
    work = Work()

    async def once(repeat: int) -> None:
        if repeat == 2:
            await asyncio.sleep(0)
            raise FailedError
        await work()

    context: Any = SimpleNamespace(config=RunConfig(repeats=4))
    with pytest.raises(FailedError):
        await repeated(context, "test", once)
    assert (work.begun, work.ended) == (3, 3)


async def test_repeats_are_one_where_nothing_is_scored_and_in_order() -> None:
    async def once(repeat: int) -> int:
        for _ in range(10 - repeat):
            await asyncio.sleep(0)
        return repeat

    context: Any = SimpleNamespace(config=RunConfig(repeats=4))
    assert await repeated(context, "val", once) == [1, 2, 3, 4]
    assert await repeated(context, None, once) == [1]


async def test_what_stops_one_trial_of_a_candidate_stops_all_of_them() -> None:
    work = Work()

    async def carry(request: TrialRequest, watch: Watch) -> Trial:
        if request.problem.id == "p2":
            await asyncio.sleep(0)
            raise FailedError
        await work()
        raise AssertionError("it was cancelled")

    class Log:
        async def ended(self, key: str) -> None:
            return None

        async def unfinished(self, key: str) -> None:
            return None

    plan = Plan("e", "b", None, None, 7, 1, 1, "m", "w", specs_by_label(["aflow"]), ("p",), (), "d")
    (contestant,) = contestants(plan, Budget(), "code").values()
    task = Task("t", "t", "code", tuple(Problem(f"p{n}", "Solve.") for n in range(4)))
    log: Any = Log()
    evaluate = Candidates(plan, contestant, task, carry, log, Guard(), asyncio.Semaphore(9))
    with pytest.raises(FailedError):
        await evaluate("round-1", None)
    assert (work.begun, work.ended) == (3, 3)


async def test_jobs_of_a_search_come_to_their_end_though_one_fails() -> None:
    """What they paid for is recorded before the error is told."""
    ended: list[int] = []

    async def job(number: int) -> int:
        if number == 0:
            raise FailedError
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append(number)
        return number

    with pytest.raises(FailedError):
        await together(job(number) for number in range(3))
    assert ended == [1, 2]


def services(sandbox: Any) -> Services:
    return Services(ScriptedModel("meta", ""), ScriptedModel("w", ""), sandbox)


async def test_leaving_a_run_waits_until_it_has_ended() -> None:
    work = Work()

    async def job(_: RunContext) -> Result:
        await work()
        raise AssertionError("it was cancelled")

    named: Any = SimpleNamespace(name="docker")
    run = Run(DOUBLE, RunConfig(), services(named), job=job)
    async with aclosing(run.events()) as events:
        assert (await anext(events)).kind == "run_started"
        for _ in range(3):
            await asyncio.sleep(0)
    assert (work.begun, work.ended) == (1, 1)


async def test_an_execution_that_is_cancelled_leaves_its_session_only_once_its_call_has_ended() -> None:
    work, order = Work(), []

    class Session:
        container_id = "box"

        async def call(self, *_: Any, **__: Any) -> Any:
            run.cancel()
            try:
                await work()
            finally:
                order.append("the call ended")

    class Sandbox:
        name = "docker"

        @asynccontextmanager
        async def session(self) -> AsyncIterator[Session]:
            try:
                yield Session()
            finally:
                order.append("the session was left")

    built = build_workflow(completion('return ""'), "", PAPER)
    assert isinstance(built, Workflow)
    run = Run(DOUBLE, RunConfig(repeats=1), services(Sandbox()), job=workflow_job(built))
    events = [event async for event in run.events()]
    assert order == ["the call ended", "the session was left"]
    assert isinstance(events[-1], RunFinished) and events[-1].status == "cancelled"


@sandboxed
async def test_steps_that_were_under_way_end_before_their_execution(sandbox: Pool) -> None:
    """Whatever ends it: here a model that cannot be reached, while three others are asked."""
    body = 'import asyncio\nawait asyncio.gather(*[self.custom(input=str(n)) for n in range(4)])\nreturn ""'
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow)
    all_here = asyncio.Event()
    asked: list[str] = []

    class Worker(ScriptedModel):
        async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Any]:
            asked.append(messages[-1]["content"])
            if len(asked) == 4:
                all_here.set()
                raise ModelError("auth", "the key was refused")
            await asyncio.Event().wait()
            yield None

    chosen = Services(ScriptedModel("m", ""), Worker("w", ""), sandbox)
    problem = Problem("q", "Ask.", kind="open")
    events = await run_events(sandbox, workflow=built, problem=problem, services=chosen)
    started, ended = of(events, StepStarted), of(events, StepFinished)
    assert len(started) == len(ended) == 4
    (execution,) = of(events, WorkflowFinished)
    assert max(step.seq for step in ended) < execution.seq
    assert [e.status for e in of(events, RunFinished)] == ["infra"]
