"""Forks of real runs: what is served, what runs, and that nothing changed means nothing differs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.events import (
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    RoundFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TestsWritten,
    ValueEdited,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.experiments.keys import search_key
from engine.forks import Fork, RunRecord, StepEdit
from engine.forks.steps import find_step
from engine.models.base import Message, ModelError, Sampling
from engine.operators.sets import PAPER
from engine.problems import Problem
from engine.recorded_job import ForkError, config_of, job_of, other_workflow_job, problem_of
from engine.run.context import Origin, RunConfig, Services
from engine.run.ledger import Budget
from engine.runner import Run
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.store.samples import finished, started
from tests.support.runs import (
    DOUBLE,
    RIGHT,
    TEST_AND_REVISE,
    WRONG,
    completion,
    end,
    of,
    run_events,
    wrong_then_right,
)
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


def nobody(*_: object) -> ModelError:
    return ModelError("connection", "nobody is there")


async def forked(
    sandbox: Pool,
    parent: list[Event],
    *,
    at: str | None = None,
    edit: StepEdit = StepEdit(),  # noqa: B008  immutable
    meta: Any = nobody,
    worker: Any = nobody,
    worker_name: str = "worker",
    workflow: Workflow | None = None,
) -> tuple[list[Event], ScriptedModel, ScriptedModel]:
    """The events of a fork, and its models."""
    record = RunRecord(parent)
    step = find_step(record, at) if at is not None else None
    models = ScriptedModel("meta", meta), ScriptedModel(worker_name, worker)
    fork = Fork(record, worker=worker_name, at=step, edit=edit, same_job=workflow is None)
    run = Run(
        problem_of(record),
        config_of(record, Budget()),
        Services(*models, sandbox),
        job=other_workflow_job(record, workflow, step) if workflow else job_of(record),
        origin=Origin(parent=record.run_id, forked_at=step.id if step else None),
        fork=fork,
    )
    return [event async for event in run.events()], *models


def built(body: str, prompts: str = "") -> Workflow:
    workflow = build_workflow(completion(body, prompts), "", PAPER)
    assert isinstance(workflow, Workflow), workflow
    return workflow


def trace(events: list[Event]) -> dict[str, Any]:
    """All of a run that a fork without a change gives again."""
    places = {e.execution_id: (e.purpose, e.round, e.repeat) for e in of(events, WorkflowStarted)}
    starts = {e.step_id: e for e in of(events, StepStarted)}
    ends = {e.step_id: e for e in of(events, StepFinished)}
    steps = [
        (
            *(places[s.execution_id], s.index, s.operator, s.line, s.key, s.inputs),
            *((f.status, f.output, f.error, f.stdout) if (f := ends.get(s.step_id)) else ()),
        )
        for s in starts.values()
    ]
    order = [(e.kind, starts[e.step_id].key) for e in events if isinstance(e, StepStarted | StepFinished)]
    scored = {
        (places.get(e.execution_id or ""), e.split, e.repeat): (
            *(e.score, e.passed, e.total, e.strict, e.tests_written_by),
            e.verdict.get("status"),
        )
        for e in of(events, EvaluationFinished)
    }
    executed = {
        places[e.execution_id]: (e.status, e.answer, e.error, e.stdout) for e in of(events, WorkflowFinished)
    }
    asked = [
        (e.role, e.model, e.messages, e.params) for e in of(events, ModelCallStarted) if e.step_id is None
    ]
    proposed = [
        (e.round, e.workflow_id, e.code, e.prompts, e.strict_ok, e.diagnostics, e.repairs, e.complexity)
        for e in of(events, WorkflowProposed)
    ]
    rounds = [(e.round, e.workflow_id, e.score, e.feedback) for e in of(events, RoundFinished)]
    last = end(events)
    result = (last.status, last.score, last.val_score, last.answer, last.workflow_id, last.error, last.steps)
    notices = Counter(e.text for e in of(events, Notice))
    return {
        "steps": steps, "order": order, "scored": scored, "executed": executed, "asked": asked,
        "proposed": proposed, "rounds": rounds, "result": result, "notices": notices,
        "written": [e.visible for e in of(events, TestsWritten)],
    }  # fmt: skip


async def assert_reproduced(sandbox: Pool, parent: list[Event]) -> list[Event]:
    """Fork without a change and compare everything; gives the fork's events."""
    again, meta, worker = await forked(sandbox, parent)
    before, after = trace(parent), trace(again)
    for what, value in before.items():
        assert after[what] == value, what
    assert (meta.calls, worker.calls) == ([], [])
    assert all(e.reused for e in of(again, StepFinished))
    last = end(again)
    assert (last.model_calls, last.tokens_in, last.tokens_out, last.cost_usd) == (0, 0, 0, 0.0)
    return again


GATHER = """
import asyncio
drafts = await asyncio.gather(*[self.custom(input=f"draft {n}") for n in range(5)], return_exceptions=True)
texts = [d["response"] for d in drafts if isinstance(d, dict)]
more = await asyncio.gather(*[self.custom(input=t, instruction="again") for t in texts])
print(len(more))
return more[0]["response"]
"""
FAILING = """
code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
failed = []
for attempt in range(3):
    try:
        await self.programmer(problem=attempt)
    except Exception as error:
        failed.append(str(error))
assert len(failed) == 3
return code
"""
CRASHING = """
made = await self.custom_code_generate(problem=problem, entry_point=entry_point)
await self.programmer(problem=3)
return made["response"]
"""
LOOP = """
code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
for _ in range(3):
    outcome = await self.test(problem=problem, solution=code, entry_point=entry_point, test_loop=0)
    if outcome["result"]:
        break
    code = (await self.revise(problem=problem, solution=code, feedback=outcome["feedback"]))["solution"]
return code
"""
SAME_TWICE = """
import asyncio
pair = await asyncio.gather(self.custom(input="same"), self.custom(input="same"))
return pair[0]["response"] + pair[1]["response"]
"""


class Jumbled(ScriptedModel):
    """Lets concurrent calls answer in an order that has nothing to do with when they were asked."""

    async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
        for _ in range((sampling.seed or 0) % 7):
            await asyncio.sleep(0.004)
        async for item in super().stream(messages, sampling):
            yield item


def by_seed(messages: Any, sampling: Sampling) -> str:
    return f"{sampling.seed}: {messages[-1]['content'][:20]}"


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize(
    ("body", "worker"),
    [(GATHER, by_seed), (FAILING, RIGHT), (CRASHING, RIGHT), (LOOP, wrong_then_right), (SAME_TWICE, by_seed)],
    ids=["gather", "failing", "crashing", "loop", "same-twice"],
)
async def test_a_fork_without_a_change_is_its_parent(
    sandbox: Pool, body: str, worker: Any, repeats: int
) -> None:
    services = Services(ScriptedModel("meta", ""), Jumbled("worker", worker), sandbox)
    problem = DOUBLE if body not in (GATHER, SAME_TWICE) else Problem("q", "Ask.", kind="qa", answer="x")
    config = RunConfig(repeats=repeats, variant="workflow-file")
    parent = await run_events(
        sandbox, workflow=built(body), services=services, config=config, problem=problem
    )
    again = await assert_reproduced(sandbox, parent)
    await assert_reproduced(sandbox, again)  # a fork of a fork, too
    assert of(again, RunStarted)[0].origin == {"parent": parent[0].run_id}


@pytest.mark.parametrize(
    "trial",
    ["", "no JSON", "[" * 100_000, "5", "null", '"ab"', '["search", 5]', '{"a": 1, "b": 2}', "[1, 2]"],
    ids=lambda trial: trial[:12],
)
async def test_a_trial_nobody_can_read_keeps_no_run_from_being_forked(trial: str) -> None:
    origin = {"experiment": "e", "stage": "search", "trial": trial}
    variant = {"variant": "workflow-file", "config": {}}
    with pytest.raises(ForkError, match="ended before its workflow began"):
        job_of(RunRecord([started(origin=origin, **variant), finished()]))
    with pytest.raises(ForkError, match="is the search of experiment e"):
        job_of(RunRecord([started(origin=origin | {"trial": search_key("a")}, **variant), finished()]))


async def test_a_search_over_rounds_is_served_with_its_proposals(sandbox: Pool) -> None:
    bodies = iter([completion("return nothing"), completion(CRASHING), TEST_AND_REVISE, TEST_AND_REVISE])

    def meta(messages: Any, _: Sampling) -> str:
        return next(bodies)

    parent = await run_events(sandbox, meta=meta, worker=WRONG, config=RunConfig(rounds=3, repeats=3, seed=7))
    assert len(of(parent, RoundFinished)) == 3
    again = await assert_reproduced(sandbox, parent)
    outside = of(again, ModelCallFinished)
    assert len(outside) == 4  # those of the meta-agent; what steps asked is not asked again
    assert all("replayed" in e.flags and e.cost_usd == 0.0 for e in outside)


async def test_tests_that_a_worker_wrote_are_served(sandbox: Pool) -> None:
    problem = Problem("double", DOUBLE.prompt, "f", "code")

    def worker(messages: Sequence[Message], _: Sampling) -> str:
        return "assert f(1) == 2" if "assert" in messages[-1]["content"] else RIGHT

    config = RunConfig(repeats=1, rounds=1, make_tests=True)
    parent = await run_events(sandbox, worker=worker, problem=problem, config=config)
    assert of(parent, TestsWritten)
    await assert_reproduced(sandbox, parent)


_STATEMENTS = [
    'out.append((await self.custom(input=f"a{len(out)}"))["response"])',
    'out += [r["response"] for r in await asyncio.gather(*[self.custom(input=f"g{n}") for n in range(4)])]',
    'out.append(str(await self.test(problem=problem, solution=out[-1], entry_point="f", test_loop=0)))',
    "try:\n    await self.programmer(problem=len(out))\nexcept Exception as e:\n    out.append(str(e))",
    'for n in range(2):\n    out.append((await self.custom(input=out[-1], instruction=str(n)))["response"])',
]


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from(_STATEMENTS), min_size=1, max_size=4),
    repeats=st.sampled_from([1, 3]),
    seed=st.integers(0, 3),
)
async def test_whatever_a_workflow_does_its_fork_does_again(
    sandbox: Pool, parts: list[str], repeats: int, seed: int
) -> None:
    body = "\n".join(["import asyncio", 'out = ["x"]', *parts, 'return "\\n".join(out)'])
    services = Services(ScriptedModel("meta", ""), Jumbled("worker", by_seed), sandbox)
    config = RunConfig(repeats=repeats, seed=seed, variant="workflow-file")
    parent = await run_events(sandbox, workflow=built(body), services=services, config=config)
    await assert_reproduced(sandbox, parent)


# -- changes -------------------------------------------------------------------------------------------


async def failed_run(sandbox: Pool, repeats: int = 1) -> list[Event]:
    config = RunConfig(repeats=repeats, variant="workflow-file")
    return await run_events(sandbox, workflow=built(LOOP), worker=WRONG, config=config)


def reused(events: list[Event]) -> list[tuple[str, bool]]:
    operators = {s.step_id: s.operator for s in of(events, StepStarted)}
    return [(operators[e.step_id], e.reused) for e in of(events, StepFinished)]


async def test_edited_inputs_run_from_there_and_nothing_before(sandbox: Pool) -> None:
    parent = await failed_run(sandbox)
    step = find_step(RunRecord(parent), "2")
    assert step.operator == "revise"
    edit = StepEdit(inputs={**step.inputs, "feedback": "multiply by two"})
    events, _, worker = await forked(sandbox, parent, at="2", edit=edit, worker=RIGHT)
    assert reused(events) == [
        ("custom_code_generate", True),
        ("test", True),
        ("revise", False),
        ("test", False),
    ]
    assert "multiply by two" in worker.calls[0][-1]["content"]
    assert end(events).status == "passed"
    assert len(worker.calls) == end(events).model_calls == 1
    (edited,) = of(events, ValueEdited)
    assert (edited.what, edited.value["feedback"]) == ("inputs", "multiply by two")
    # A fork of the fork serves what the edit gave.
    await assert_reproduced_with_edit(sandbox, events)


async def assert_reproduced_with_edit(sandbox: Pool, parent: list[Event]) -> None:
    again, _, worker = await forked(sandbox, parent)
    assert trace(again) == trace(parent)
    assert worker.calls == []


async def test_an_edited_prompt_is_what_the_model_is_asked(sandbox: Pool) -> None:
    parent = await failed_run(sandbox)
    events, _, worker = await forked(
        sandbox, parent, at="test1:0", edit=StepEdit(prompt="Double it."), worker=RIGHT
    )
    assert [m["content"] for m in worker.calls[0]] == ["Double it."]
    assert of(events, ModelCallStarted)[0].messages == ({"role": "user", "content": "Double it."},)
    assert [e.what for e in of(events, ValueEdited)] == ["messages"]
    assert end(events).status == "passed"


async def test_only_the_forked_repeat_changes(sandbox: Pool) -> None:
    parent = await failed_run(sandbox, repeats=3)
    edit = StepEdit(prompt="Double it.")
    events, _, worker = await forked(sandbox, parent, at="test 2 · step 0", edit=edit, worker=RIGHT)
    assert len(worker.calls) == 1
    scores = {e.repeat: e.score for e in of(events, EvaluationFinished)}
    assert scores == {1: 0.0, 2: 1.0, 3: 0.0}
    places = {e.execution_id: e.repeat for e in of(events, WorkflowStarted)}
    live = {s.step_id: places[s.execution_id] for s in of(events, StepStarted)}
    assert {live[e.step_id] for e in of(events, StepFinished) if not e.reused} == {2}


async def test_another_worker_takes_over_at_the_step(sandbox: Pool) -> None:
    parent = await failed_run(sandbox)
    events, _, worker = await forked(sandbox, parent, at="2", worker=RIGHT, worker_name="better")
    assert [r for _, r in reused(events)] == [True, True, False, False]
    assert of(events, RunStarted)[0].worker == "better"
    assert len(worker.calls) == 1
    assert end(events).status == "passed"
    # Without a step it takes over from the beginning.
    events, _, worker = await forked(sandbox, parent, worker=RIGHT, worker_name="better")
    assert not any(r for _, r in reused(events))
    # A fork of such a fork serves what either worker gave.
    again, _, silent = await forked(sandbox, events, worker_name="better")
    assert all(r for _, r in reused(again))
    assert silent.calls == []


async def test_another_workflow_reuses_the_steps_it_has_in_common(sandbox: Pool) -> None:
    parent = await failed_run(sandbox, repeats=3)
    changed = built(LOOP.replace("range(3)", "range(1)").replace("return code", "return code + '\\n'"))
    events, _, worker = await forked(sandbox, parent, workflow=changed)
    assert worker.calls == []
    assert all(r for _, r in reused(events))
    assert len(reused(events)) == 9
    changed = built(LOOP.replace("code, feedback=", 'code + "# v2", feedback='))
    events, _, worker = await forked(sandbox, parent, workflow=changed, worker=RIGHT)
    assert [r for _, r in reused(events)].count(True) == 6
    assert len(worker.calls) == 3
    assert end(events).score == 1.0


async def test_another_workflow_for_a_round_of_a_search_is_scored_on_val_too(sandbox: Pool) -> None:
    config = RunConfig(rounds=2, repeats=1)
    parent = await run_events(sandbox, meta=TEST_AND_REVISE, worker=WRONG, config=config)
    changed = built(LOOP.replace("range(3)", "range(2)"))
    events, meta, _ = await forked(
        sandbox, parent, at="r1.val1:0", workflow=changed, meta=nobody, worker=WRONG
    )
    assert [(e.purpose, e.round) for e in of(events, WorkflowStarted)] == [("val", 1), ("test", 1)]
    assert end(events).val_score == 0.0
    assert meta.calls == []
    assert all(r for _, r in reused(events))


async def test_a_change_in_a_round_asks_the_meta_agent_anew_where_the_feedback_differs(sandbox: Pool) -> None:
    config = RunConfig(rounds=2, repeats=1)
    parent = await run_events(sandbox, meta=TEST_AND_REVISE, worker=WRONG, config=config)
    assert len([e for e in of(parent, ModelCallStarted) if e.role == "meta"]) == 2
    edit = StepEdit(prompt="Double it.")
    events, meta, worker = await forked(sandbox, parent, at="r1.val1:0", edit=edit, worker=RIGHT)
    assert meta.calls == []  # all of val passes now, so there is no second round
    # The final execution has draws of its own, and was not what was edited.
    assert (end(events).status, end(events).val_score) == ("failed", 1.0)
    assert len(worker.calls) == 1
    everywhere = StepEdit(prompt="Double it.", everywhere=True)
    events, _, worker = await forked(sandbox, parent, at="r1.val1:0", edit=everywhere, worker=RIGHT)
    assert (end(events).status, end(events).val_score) == ("passed", 1.0)
    assert len(worker.calls) == 2


async def test_an_edit_everywhere_is_made_in_every_repeat(sandbox: Pool) -> None:
    parent = await failed_run(sandbox, repeats=3)
    step = find_step(RunRecord(parent), "test2:0")
    edit = StepEdit(inputs={**step.inputs, "instruction": "Double it."}, everywhere=True)
    events, _, worker = await forked(sandbox, parent, at=step.id, edit=edit, worker=RIGHT)
    assert len(worker.calls) == 3
    assert all("Double it." in call[-1]["content"] for call in worker.calls)
    assert end(events).status == "passed"


async def test_what_kept_a_step_from_ending_is_not_served(sandbox: Pool) -> None:
    """A run that a budget ended goes on in its fork."""
    config = RunConfig(repeats=1, variant="workflow-file", budget=Budget(model_calls=1))
    parent = await run_events(sandbox, workflow=built(LOOP), worker=wrong_then_right, config=config)
    assert end(parent).status == "budget"
    events, _, worker = await forked(sandbox, parent, worker=wrong_then_right)
    assert end(events).status == "passed"
    assert len(worker.calls) == 1


async def test_a_workflow_that_does_something_else_is_not_waited_for(sandbox: Pool) -> None:
    """One step fewer of those that ended before a served one: the fork departs and ends."""
    gather = 'import asyncio\nboth = await asyncio.gather({})\nreturn both[0]["response"]'
    first, second = 'self.custom(input="first")', 'self.custom(input="second")'

    answered = asyncio.Event()

    class SecondFirst(ScriptedModel):
        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
            if "first" in messages[-1]["content"]:
                await answered.wait()
            try:
                async for item in super().stream(messages, sampling):
                    yield item
            finally:  # nobody asks for more than the completion
                answered.set()

    services = Services(ScriptedModel("meta", ""), SecondFirst("worker", "text"), sandbox)
    problem = Problem("q", "Ask.", kind="open")
    config = RunConfig(repeats=1, variant="workflow-file")
    workflow = built(gather.format(f"{first}, {second}"))
    parent = await run_events(sandbox, workflow=workflow, services=services, config=config, problem=problem)
    third = 'self.custom(input="third")'
    events, _, worker = await forked(
        sandbox, parent, workflow=built(gather.format(f"{first}, {third}")), worker="text"
    )
    assert sorted(r for _, r in reused(events)) == [False, True]
    assert len(worker.calls) == 1


async def test_a_step_that_never_comes_is_given_up_on(sandbox: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.forks.order.PATIENCE_S", 0.3)
    parent = await failed_run(sandbox)
    record = RunRecord(parent)
    # A step in the record that no workflow calls, before the one that is served.
    ghost = find_step(record, "0")
    record.steps = {"ghost": type(ghost)(**{**vars(ghost), "id": "ghost", "key": "none", "started": -1})} | (
        record.steps
    )
    run = Run(
        problem_of(record),
        config_of(record, Budget()),
        Services(ScriptedModel("meta", nobody), ScriptedModel("worker", nobody), sandbox),
        job=job_of(record),
        fork=Fork(record, worker="worker"),
    )
    events = [event async for event in run.events()]
    assert all(r for _, r in reused(events))
    assert end(events).status == "failed"
