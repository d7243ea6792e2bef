"""What training asks of runs: no final scoring, limits of one execution, seeds that are shared."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.events import (
    EvaluationFinished,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    RoundFinished,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.forks import RunRecord
from engine.models.base import Message, Sampling
from engine.models.local import LocalModel
from engine.operators.sets import PAPER
from engine.problems import Problem
from engine.recorded_job import config_of
from engine.run.context import Origin, RunConfig, Services
from engine.run.ledger import Budget
from engine.run.limits import ExecutionLimits
from engine.runner import Run, workflow_job
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import (
    DOUBLE,
    GENERATE,
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
from tests.support.tiny_llama import make_tiny_llama

sandboxed = pytest.mark.asyncio(loop_scope="session")
BROKEN = completion("return await self.no_such(problem=problem)")
ENDLESS = completion(
    "for _ in range(50):\n"
    "    try:\n"
    '        await self.custom(input="again", instruction="")\n'
    "    except BaseException:\n"
    "        pass\n"
    'return "def f(x): return 2 * x"'
)


def built() -> Workflow:
    workflow = build_workflow(GENERATE, "", PAPER)
    assert isinstance(workflow, Workflow)
    return workflow


@sandboxed
@pytest.mark.parametrize("variant", ["flowreasoner", "vanilla", "self-refine", "metaflow"])
async def test_without_a_final_scoring_nothing_touches_test(sandbox: Pool, variant: str) -> None:
    events = await run_events(sandbox, config=RunConfig(variant=variant, repeats=2, final=False))
    assert {e.split for e in of(events, EvaluationFinished)} <= {"val"}
    assert not [e for e in of(events, WorkflowStarted) if e.purpose != "val"]
    assert (end(events).status, end(events).score) == ("answered", None)
    if variant == "flowreasoner":
        assert end(events).val_score == 1.0
        assert len(of(events, WorkflowStarted)) == 2
        whole = await run_events(sandbox, config=RunConfig(repeats=2))
        found = [
            [(r.workflow_id, r.score, r.feedback) for r in of(e, RoundFinished)] for e in (events, whole)
        ]
        assert found[0] == found[1]  # what the search does is the same


@sandboxed
async def test_a_search_that_finds_nothing_has_failed(sandbox: Pool) -> None:
    config = RunConfig(rounds=2, final=False)
    events = await run_events(sandbox, meta=BROKEN, config=config)
    assert end(events).status == "failed"
    nothing_to_score = Problem("open", "say something")
    events = await run_events(sandbox, meta=BROKEN, config=config, problem=nothing_to_score)
    assert end(events).status == "failed"


@sandboxed
async def test_a_workflow_can_be_scored_on_what_training_may_see(sandbox: Pool) -> None:
    services = Services(ScriptedModel("m", ""), ScriptedModel("w", RIGHT), sandbox)
    for config in (RunConfig(repeats=1), RunConfig(repeats=1, final=False)):
        run = Run(DOUBLE, config, services, job=workflow_job(built(), "val"))
        events = [event async for event in run.events()]
        assert [(e.split, e.score) for e in of(events, EvaluationFinished)] == [("val", 1.0)]
        assert (end(events).status, end(events).score, end(events).val_score) == ("answered", None, 1.0)
    question = Problem("q", "2 + 2?", kind="math", answer="4", metadata={"metric": "last-number"})
    solve = build_workflow(completion('return (await self.custom(input=problem))["response"]'), "", PAPER)
    assert isinstance(solve, Workflow)
    for reply, score in (("\\boxed{4}", 1.0), ("\\boxed{5}", 0.0)):
        services = Services(ScriptedModel("m", ""), ScriptedModel("w", reply), sandbox)
        run = Run(question, RunConfig(repeats=1), services, job=workflow_job(solve, "val"))
        assert end([event async for event in run.events()]).val_score == score


@sandboxed
async def test_without_deltas_the_rest_is_told_all_the_same(sandbox: Pool) -> None:
    with_deltas = await run_events(sandbox)
    without = await run_events(sandbox, config=RunConfig(repeats=1, deltas=False))
    assert of(with_deltas, ModelDelta)
    assert not of(without, ModelDelta)
    kinds = [[e.kind for e in events if not isinstance(e, ModelDelta)] for events in (with_deltas, without)]
    assert kinds[0] == kinds[1]
    assert [e.text for e in of(without, ModelCallFinished)] == [
        e.text for e in of(with_deltas, ModelCallFinished)
    ]
    assert all(e.ttft_ms is not None for e in of(without, ModelCallFinished))


def limited(**limits: Any) -> RunConfig:
    return RunConfig(rounds=2, repeats=1, execution_limits=ExecutionLimits(**limits), final=False)


@sandboxed
@pytest.mark.parametrize(
    ("limits", "steps", "says"),
    [
        ({"steps": 3}, 3, "3 steps"),
        ({"calls": 2}, 3, "2 model calls"),  # the step that asks a third time has begun
        ({"tokens": 20}, None, "20 tokens"),
    ],
    ids=["steps", "calls", "tokens"],
)
async def test_a_limit_ends_the_execution_and_the_search_goes_on(
    sandbox: Pool, limits: dict[str, int], steps: int | None, says: str
) -> None:
    events = await run_events(
        sandbox, meta=ENDLESS, worker="six words in all of this", config=limited(**limits)
    )
    first, second = of(events, WorkflowFinished)[0], of(events, RoundFinished)
    assert (first.status, first.answer) == ("timeout", None)
    assert first.error == f"the execution reached its limit of {says}"
    assert [r.score for r in second] == [0.0, 0.0]
    assert end(events).status == "answered"
    if steps is not None:
        run_one = [e for e in events if e.kind == "step_started"]
        assert len(run_one) == steps  # the second round repeats the workflow, so it is not run again


@sandboxed
async def test_an_execution_out_of_time_scores_nothing_and_others_go_on(sandbox: Pool) -> None:
    class Stuck(ScriptedModel):
        """Never answers whom it is told to keep waiting."""

        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
            if "wait" in messages[-1]["content"]:
                await asyncio.Event().wait()
            async for item in super().stream(messages, sampling):
                yield item

    waits = completion('return (await self.custom(input="wait", instruction=""))["response"]')
    replies = iter([waits, GENERATE])
    services = Services(ScriptedModel("m", lambda *_: next(replies)), Stuck("w", RIGHT), sandbox)
    events = await run_events(sandbox, services=services, config=limited(seconds=1.5))
    assert [e.status for e in of(events, WorkflowFinished)] == ["timeout", "ok"]
    assert [r.score for r in of(events, RoundFinished)] == [0.0, 1.0]
    assert of(events, WorkflowFinished)[0].error == "the execution reached its limit of 1.5 s"


@sandboxed
async def test_runs_that_share_a_worker_seed_draw_alike_whatever_their_own(sandbox: Pool) -> None:
    async def drawn(seed: int, worker_seed: int | None) -> tuple[list[int], list[int]]:
        config = RunConfig(rounds=1, repeats=2, seed=seed, worker_seed=worker_seed)
        events = await run_events(sandbox, worker=WRONG, config=config)
        calls = of(events, ModelCallStarted)
        seeds = {role: [c.params["seed"] for c in calls if c.role == role] for role in ("meta", "worker")}
        record = RunRecord(events)
        assert {record.seed_of(e) for e in record.executions}  # a fork finds the draws of its parent again
        return seeds["meta"], sorted(seeds["worker"])

    (meta_1, worker_1), (meta_2, worker_2) = await drawn(1, 9), await drawn(2, 9)
    assert meta_1 != meta_2
    assert worker_1 == worker_2
    assert worker_1 == (await drawn(9, None))[1]
    assert worker_1 != (await drawn(1, 8))[1] != (await drawn(1, None))[1]


@sandboxed
async def test_a_recorded_run_is_done_again_with_the_same_options(sandbox: Pool) -> None:
    config = RunConfig(
        rounds=1,
        repeats=1,
        final=False,
        worker_seed=7,
        execution_limits=ExecutionLimits(seconds=60, tokens=5000),
        budget=Budget(steps=9),
    )
    again = config_of(RunRecord(await run_events(sandbox, config=config)), config.budget)
    assert again == config
    plain = RunConfig(repeats=1)
    assert config_of(RunRecord(await run_events(sandbox, config=plain)), plain.budget) == plain
    assert not {"final", "worker_seed", "execution_limits"} & plain.to_json().keys()


@sandboxed
async def test_each_proposal_names_its_call_and_whether_it_mends(sandbox: Pool) -> None:
    replies = iter([BROKEN, GENERATE, TEST_AND_REVISE])
    config = RunConfig(rounds=2, repeats=1, stop_early=False, final=False)
    events = await run_events(sandbox, meta=lambda *_: next(replies), worker=wrong_then_right, config=config)
    proposals = of(events, WorkflowProposed)
    assert [(p.round, p.turn, p.workflow_id is not None) for p in proposals] == [
        (1, "reply", False),
        (1, "repair", True),
        (2, "reply", True),
    ]
    asked = [e.call_id for e in of(events, ModelCallStarted) if e.role == "meta"]
    assert [p.call_id for p in proposals] == asked
    given = await run_events(sandbox, workflow=built())
    assert [(p.call_id, p.turn) for p in of(given, WorkflowProposed)] == [(None, None)]


async def test_a_model_in_this_process_says_how_it_sampled(tmp_path: Path) -> None:
    from transformers import GenerationConfig

    folder = make_tiny_llama(tmp_path)
    own: dict[str, Any] = {"temperature": 0.8, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1}
    GenerationConfig(do_sample=True, max_new_tokens=5, **own).save_pretrained(folder)
    model = LocalModel("tiny", str(folder), device="cpu")
    ask: list[Message] = [{"role": "user", "content": "hello"}]
    try:
        wanted = [
            (Sampling(seed=3), {**own, "top_p": 1.0, "max_tokens": 5, "seed": 3}),
            (
                Sampling(temperature=0.0, top_p=0.9, max_tokens=2),
                {**own, "temperature": 0.0, "top_p": 0.9, "max_tokens": 2, "seed": None},
            ),
        ]
        for sampling, sampled in wanted:
            last: Any = [item async for item in model.stream(ask, sampling)][-1]
            assert last.sampled == sampled
    finally:
        await model.aclose()


def test_an_origin_names_the_rollout() -> None:
    origin = Origin(job="j", step=0, group="g", candidate=0)
    assert origin.to_json() == {"job": "j", "step": 0, "group": "g", "candidate": 0}
    assert Origin(**origin.to_json()) == origin
