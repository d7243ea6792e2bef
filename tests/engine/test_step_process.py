"""Steps of one execution in the sandbox: which share a process, and what a failed one is to the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.operators.sets import PAPER
from engine.operators.specs import OperatorSpec
from engine.run import step_process
from engine.run.step_process import StepProcesses
from sandbox.pool import Pool
from sandbox.types import CallbackError, Outcome, Session

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOM = next(o for o in PAPER.operators if o.attribute == "custom")
OWN = replace(
    CUSTOM,
    module="own.py",
    source="seen = []\n\nasync def run(host, *, input):\n"
    "    seen.append(input)\n    print('saw', seen)\n    return {'response': str(seen)}\n",
)


class Counted:
    """A session that counts the processes it is asked for."""

    def __init__(self, session: Session) -> None:
        self.container_id = session.container_id
        self._session, self.processes = session, 0

    async def call(self, *args: Any, **options: Any) -> Outcome:
        self.processes += 1
        return await self._session.call(*args, **options)


async def reply(method: str, args: dict[str, Any]) -> dict[str, Any]:
    """A model that repeats what it is told."""
    assert method == "model"
    return {"text": args["messages"][-1]["content"], "finish": "stop", "flags": []}


async def step(processes: StepProcesses, text: str, spec: OperatorSpec = CUSTOM) -> Outcome:
    return await processes.run(spec, {"input": text}, reply)


async def test_steps_one_after_another_share_a_process_and_each_has_its_own_result(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        outcomes = [await step(processes, str(n)) for n in range(5)]
        await processes.close()
        assert await session.probe() is None  # nothing of it is left in the container
    assert [o.value for o in outcomes] == [{"response": str(n)} for n in range(5)]
    assert [o.status for o in outcomes] == ["passed"] * 5
    assert all(0 <= o.usage.cpu_ms < 1000 for o in outcomes)
    assert counted.processes == 1


async def test_steps_at_the_same_time_have_a_process_each(sandbox: Pool) -> None:
    both = asyncio.Barrier(2)

    async def answer(method: str, args: dict[str, Any]) -> Any:
        await both.wait()  # neither is answered before both have asked
        return await reply(method, args)

    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        outcomes = await asyncio.gather(
            *(processes.run(CUSTOM, {"input": text}, answer) for text in ("one", "two"))
        )
        later = await step(processes, "three")
        await processes.close()
    assert [o.value["response"] for o in [*outcomes, later]] == ["one", "two", "three"]
    assert counted.processes == 2


async def test_a_step_that_fails_takes_no_other_with_it(sandbox: Pool) -> None:
    async def refuse(method: str, args: dict[str, Any]) -> Any:
        raise CallbackError("model", "it says no")

    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        before = await step(processes, "before")
        failed = await processes.run(CUSTOM, {"input": "at"}, refuse)
        wrong = await processes.run(CUSTOM, {"no_such": "argument"}, reply)
        after = await step(processes, "after")
        await processes.close()
    assert (before.status, failed.status, wrong.status, after.status) == (
        "passed",
        "failed",
        "failed",
        "passed",
    )
    assert "it says no" in failed.message
    assert "no_such" in wrong.message
    assert after.value == {"response": "after"}
    assert counted.processes == 3


async def test_a_result_that_is_too_large_to_hand_over_is_the_step_s_all_the_same(sandbox: Pool) -> None:
    long = "long " * 300_000  # more than a process may send with a request, less than at its end

    async def answer(method: str, args: dict[str, Any]) -> Any:
        return {"text": long, "finish": "stop", "flags": []}

    async with sandbox.session() as session:
        processes = StepProcesses(session)
        outcome = await processes.run(CUSTOM, {"input": "much"}, answer)
        next_one = await step(processes, "next")
        await processes.close()
    assert outcome.value["response"].split() == long.split()
    assert next_one.value == {"response": "next"}


async def test_an_operator_of_one_s_own_finds_nothing_of_another_step_s(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        await step(processes, "ours")
        own = [await step(processes, text, OWN) for text in ("a", "b")]
        ours = await step(processes, "ours again")
        await processes.close()
    assert [o.value["response"] for o in own] == ["['a']", "['b']"]
    assert [o.stdout for o in own] == ["saw ['a']\n", "saw ['b']\n"]
    assert ours.value == {"response": "ours again"}
    assert counted.processes == 3


async def test_a_cancelled_step_leaves_the_next_one_a_new_process(sandbox: Pool) -> None:
    asked = asyncio.Event()

    async def never(method: str, args: dict[str, Any]) -> Any:
        asked.set()
        await asyncio.Event().wait()

    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        await step(processes, "before")
        waiting = asyncio.ensure_future(processes.run(CUSTOM, {"input": "at"}, never))
        await asked.wait()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert (await step(processes, "after")).value == {"response": "after"}
        await processes.close()
    assert counted.processes == 2


async def test_a_process_is_not_worn_out_by_many_steps(
    sandbox: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_process, "_STEPS_EACH", 3)
    async with sandbox.session() as session:
        counted = Counted(session)
        processes = StepProcesses(counted)
        outcomes = [await step(processes, str(n)) for n in range(7)]
        await processes.close()
    assert [o.value["response"] for o in outcomes] == list("0123456")
    assert counted.processes == 3
