"""A run end to end: scripted models, a real sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    RoundFinished,
    StepFinished,
    StepStarted,
    TestsWritten,
    WorkflowFinished,
    WorkflowProposed,
)
from engine.models.base import Completion, Message, ModelError, Sampling
from engine.operators.sets import PAPER
from engine.problems import Problem, Tests
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.runner import Run
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

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_failing_test_another_attempt_and_a_pass(sandbox: Pool) -> None:
    events = await run_events(sandbox, meta=TEST_AND_REVISE, worker=wrong_then_right)
    assert end(events).status == "passed"
    assert end(events).score == end(events).val_score == 1.0
    assert [e.seq for e in events] == list(range(len(events)))
    first, second = of(events, CodeExecuted)[:2]
    assert [t["status"] for t in first.verdict["tests"]] == ["passed", "failed"]
    assert second.verdict["status"] == "passed"
    tested = next(e for e in of(events, StepFinished) if e.output and e.output.get("result") is False)
    assert tested.output["feedback"] == "1 of 2 tests failed:\nassert f(3) == 6  # got 4"


async def test_steps_say_what_came_in_where_and_what_it_cost(sandbox: Pool) -> None:
    events = await run_events(sandbox, meta=TEST_AND_REVISE, worker=wrong_then_right)
    steps = of(events, StepStarted)[:4]
    assert [s.operator for s in steps] == ["custom_code_generate", "test", "revise", "test"]
    assert [s.line for s in steps] == [3, 5, 8, 5]
    assert steps[0].inputs == {"problem": DOUBLE.prompt, "entry_point": "f"}
    ends = {e.step_id: e for e in of(events, StepFinished)}
    assert ends[steps[0].step_id].tokens_out > 0
    assert ends[steps[1].step_id].tokens_out == 0
    calls = [e for e in of(events, ModelCallStarted) if e.role == "worker"]
    assert {c.step_id for c in calls} <= {s.step_id for s in of(events, StepStarted)}
    assert end(events).model_calls == len(of(events, ModelCallFinished))
    assert end(events).tokens_out == sum(c.tokens_out for c in of(events, ModelCallFinished))


async def test_hidden_tests_reach_no_model_and_no_workflow(sandbox: Pool) -> None:
    meta = ScriptedModel(
        "meta", completion('await self.custom(input=str(vars(self)))\nreturn "def f(x): return x"')
    )
    worker = ScriptedModel("worker", WRONG)
    problem = replace(
        DOUBLE,
        tests=Tests(("assert f(1) == 2",), ("assert f(123456) == 246912",), ("assert f(654321) == 1308642",)),
    )
    config = RunConfig(rounds=3, repeats=1)
    events = await run_events(
        sandbox, problem=problem, config=config, services=Services(meta, worker, sandbox)
    )
    assert end(events).status == "failed"
    seen = str(meta.calls) + str(worker.calls) + str([s.inputs for s in of(events, StepStarted)])
    assert "f(1)" in seen
    assert "123456" not in seen
    assert "654321" not in seen


async def test_rounds_feed_back_and_the_best_is_tested_not_the_first(sandbox: Pool) -> None:
    bad = completion('return "def f(x): return None"', modification="bad")
    good = completion('return "def f(x): return x * 2"', modification="good")
    worse = completion('raise ValueError("no")', modification="worse")
    meta = ScriptedModel("meta", lambda messages, _: [bad, good, worse][min(len(meta.calls), 3) - 1])
    config = RunConfig(rounds=3, repeats=1, stop_early=False)
    events = await run_events(
        sandbox, config=config, services=Services(meta, ScriptedModel("w", RIGHT), sandbox)
    )
    assert [r.score for r in of(events, RoundFinished)] == [0.0, 1.0, 0.0]
    proposals = of(events, WorkflowProposed)
    assert end(events).workflow_id == proposals[1].workflow_id
    assert end(events).score == 1.0
    assert "Mean pass rate 0.00" in meta.calls[1][-1]["content"]
    assert "val pass rate 1.00" in meta.calls[2][-1]["content"]


async def test_stops_once_val_passes(sandbox: Pool) -> None:
    events = await run_events(sandbox, config=RunConfig(rounds=5, repeats=2))
    assert len(of(events, RoundFinished)) == 1
    assert len([e for e in of(events, EvaluationFinished) if e.split == "val"]) == 2


async def test_a_repeated_workflow_is_not_run_again(sandbox: Pool) -> None:
    events = await run_events(sandbox, worker=WRONG, config=RunConfig(rounds=3, repeats=1))
    assert len(of(events, RoundFinished)) == 3
    assert len([e for e in of(events, EvaluationFinished) if e.split == "val"]) == 1
    assert any("repeats the workflow of round 1" in n.text for n in of(events, Notice))


async def test_one_repair_turn_with_the_diagnosis(sandbox: Pool) -> None:
    broken = completion("return await self.no_such_operator(problem=problem)")
    meta = ScriptedModel("meta", lambda messages, _: GENERATE if len(messages) > 2 else broken)
    events = await run_events(sandbox, services=Services(meta, ScriptedModel("w", RIGHT), sandbox))
    assert end(events).status == "passed"
    assert [p.workflow_id is None for p in of(events, WorkflowProposed)] == [True, False]
    assert "no_such_operator" in meta.calls[1][-1]["content"]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I cannot help with that.",
        "<graph></graph>",
        "\x00" * 100,
        "x" * 1_000_000,
        completion("return ) ("),
    ],
    ids=["empty", "prose", "empty graph", "NUL bytes", "1 MB of text", "syntax error"],
)
async def test_replies_without_a_workflow(sandbox: Pool, reply: str) -> None:
    events = await run_events(sandbox, meta=reply, config=RunConfig(rounds=1, repeats=1))
    assert end(events).status == "failed"
    assert "No round gave a workflow" in (end(events).error or "")
    assert end(events).model_calls == 2


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("answer = dict().get('nothing')\nreturn answer", "error", "no answer"),
        ("await self.custom(input='x')\nreturn ''", "error", "no answer"),
        ("await self.custom(input='x')\nreturn object()", "error", ""),
        (
            "await self.custom(input='x')\nraise KeyError('boom')",
            "error",
            "KeyError: 'boom' (workflow line 4)",
        ),
        ("import os\nif problem:\n    os._exit(0)\nreturn ''", "error", ""),
        ("import sys\nif problem:\n    sys.exit(0)\nreturn ''", "error", ""),
    ],
    ids=["None", "empty", "object", "exception", "_exit", "exit"],
)
async def test_workflows_that_give_no_answer(sandbox: Pool, body: str, status: str, says: str) -> None:
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow)
    events = await run_events(sandbox, workflow=built)
    (finished,) = of(events, WorkflowFinished)
    assert finished.status == status
    assert says in (finished.error or "")
    assert end(events).status == "failed"
    assert end(events).score == 0.0


async def test_a_workflow_that_never_ends(sandbox: Pool) -> None:
    built = build_workflow(completion("while problem:\n    pass\nreturn ''"), "", PAPER)
    assert isinstance(built, Workflow)
    config = RunConfig(repeats=1, budget=Budget(wall_s=2.0))
    events = await run_events(sandbox, workflow=built, config=config)
    (finished,) = of(events, WorkflowFinished)
    assert finished.status == "budget"
    assert end(events).status == "budget"


async def test_a_workflow_that_calls_operators_for_ever_is_stopped_by_the_budget(sandbox: Pool) -> None:
    body = """
while problem:
    try:
        await self.custom(input="again")
    except BaseException:
        pass
return ""
"""
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow)
    config = RunConfig(repeats=1, budget=Budget(steps=5))
    events = await run_events(sandbox, workflow=built, config=config)
    assert end(events).status == "budget"
    assert "steps" in (end(events).error or "")
    assert len(of(events, StepStarted)) == 5
    assert {e.step_id for e in of(events, StepStarted)} == {e.step_id for e in of(events, StepFinished)}


@pytest.mark.parametrize(
    ("budget", "says"),
    [(Budget(model_calls=1), "model calls"), (Budget(tokens=1), "tokens"), (Budget(cost_usd=1e-9), "")],
)
async def test_budgets(sandbox: Pool, budget: Budget, says: str) -> None:
    events = await run_events(sandbox, config=RunConfig(repeats=1, budget=budget))
    expected = "passed" if budget.cost_usd else "budget"  # the scripted models are free
    assert end(events).status == expected
    assert says in (end(events).error or "")


async def test_concurrent_steps_overlap_and_are_all_told(sandbox: Pool) -> None:
    body = """
import asyncio
several = await asyncio.gather(*[self.custom(input=str(i)) for i in range(4)])
comprehended = [await self.custom(input=f"c{i}") for i in range(2)]
return str(len(several) + len(comprehended))
"""
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow)
    waiting: list[asyncio.Event] = []
    all_here = asyncio.Event()

    class Together(ScriptedModel):
        """Answers the gathered calls only once all four have arrived."""

        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
            if not messages[-1]["content"].startswith("c"):
                waiting.append(all_here)
                if len(waiting) == 4:
                    all_here.set()
                await all_here.wait()
            async for item in super().stream(messages, sampling):
                yield item

    problem = Problem("count", "Count.", kind="open")
    services = Services(ScriptedModel("m", ""), Together("w", "ok"), sandbox)
    events = await run_events(sandbox, workflow=built, problem=problem, services=services)
    assert end(events).status == "answered"
    assert end(events).answer == "6"
    kinds = [e.kind for e in events if isinstance(e, StepStarted | StepFinished)]
    assert kinds[:4] == ["step_started"] * 4
    assert [s.index for s in of(events, StepStarted)] == list(range(6))


async def test_the_same_seed_gives_the_same_seeds_to_models(sandbox: Pool) -> None:
    seeds = []
    for seed in (1, 1, 2):
        worker = ScriptedModel("worker", wrong_then_right)
        services = Services(ScriptedModel("meta", TEST_AND_REVISE), worker, sandbox)
        await run_events(sandbox, services=services, config=RunConfig(repeats=1, seed=seed))
        seeds.append(worker.seeds)
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(set(seeds[0])) == len(seeds[0])


async def test_an_unreachable_model_ends_the_run_with_its_reason(sandbox: Pool) -> None:
    error = ModelError("auth", "openai refused the key; set OPENAI_API_KEY")
    events = await run_events(sandbox, worker=lambda *_: error)
    assert end(events).status == "infra"
    assert end(events).error == str(error)
    assert of(events, StepFinished)[-1].status != "ok"


async def test_a_context_overflow_is_the_workflows_to_handle(sandbox: Pool) -> None:
    body = """
try:
    await self.custom(input="long")
except Exception as error:
    return str(error)
return "no error"
"""
    built = build_workflow(completion(body), "", PAPER)
    assert isinstance(built, Workflow)
    error = ModelError("context-length", "the prompt is longer than the model's context")
    problem = Problem("q", "Ask.", kind="open")
    events = await run_events(sandbox, worker=lambda *_: error, workflow=built, problem=problem)
    assert end(events).status == "answered"
    assert "longer than the model's context" in (end(events).answer or "")


async def test_cancelling_ends_with_a_recorded_end(sandbox: Pool) -> None:
    class Stuck(ScriptedModel):
        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
            run.cancel()
            await asyncio.Event().wait()
            yield None

    services = Services(ScriptedModel("meta", GENERATE), Stuck("worker", ""), sandbox)
    run = Run(DOUBLE, RunConfig(repeats=1), services)
    events = [event async for event in run.events()]
    assert end(events).status == "cancelled"
    assert of(events, StepFinished)[-1].status == "cancelled"
    assert of(events, WorkflowFinished)[-1].status == "cancelled"
    assert of(events, ModelCallFinished)[-1].error == "cancelled"


async def test_a_query_without_tests_is_answered_in_one_round(sandbox: Pool) -> None:
    problem = Problem("stdin", "Write `f(x)` that doubles x.", "f", "code")
    events = await run_events(sandbox, problem=problem)
    assert end(events).status == "answered"
    assert end(events).answer == "def f(x):\n    return x * 2"
    assert len(of(events, RoundFinished)) == 1


async def test_model_written_tests_are_marked(sandbox: Pool) -> None:
    def worker(messages: Sequence[Message], _: Sampling) -> str:
        if "assert statements" in messages[-1]["content"]:
            return "```python\nassert f(1) == 2\nassert f(2) == 4\nprint('no')\n```"
        return RIGHT

    problem = Problem("stdin", "Write `f(x)` that doubles x.", "f")
    events = await run_events(
        sandbox, problem=problem, worker=worker, config=RunConfig(repeats=1, make_tests=True)
    )
    assert of(events, TestsWritten)[0].visible == ("assert f(1) == 2", "assert f(2) == 4")
    assert {e.tests_written_by for e in of(events, EvaluationFinished)} == {"model"}
    assert end(events).status == "passed"
    assert any("written by the model" in n.text for n in of(events, Notice))


async def test_no_visible_tests_never_count_as_passed(sandbox: Pool) -> None:
    problem = replace(DOUBLE, tests=Tests(val=DOUBLE.tests.val, test=DOUBLE.tests.test))
    events = await run_events(sandbox, problem=problem, meta=TEST_AND_REVISE, worker=WRONG)
    tested = [e for e in of(events, StepFinished) if e.output and "result" in e.output]
    assert tested
    assert all(e.output["result"] is False and "no visible tests" in e.output["feedback"] for e in tested)


async def test_qa_and_math_are_scored_against_the_reference(sandbox: Pool) -> None:
    """Mathematics that is not the same text is compared in the math image: `test_answers.py`."""
    body = 'return (await self.answer_generate(input=problem))["answer"]'
    for kind, answer, reference, right in [
        ("qa", "The Eiffel Tower.", "eiffel tower", True),
        ("qa", "Paris", "London", False),
        ("math", "so it is \\boxed{1/2}", "1/2", True),
        ("math", "so it is:\n$1,000$", "\\boxed{1,000}", True),
    ]:
        problem = Problem("q", "?", kind=kind, answer=reference)  # type: ignore[arg-type]
        reply = f"<answer>{answer}</answer>"
        events = await run_events(sandbox, problem=problem, meta=completion(body), worker=reply)
        assert end(events).status == ("passed" if right else "failed"), (kind, answer)


async def test_suspect_replies_are_flagged(sandbox: Pool) -> None:
    class Cut(ScriptedModel):
        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
            async for item in super().stream(messages, sampling):
                cut = isinstance(item, Completion)
                yield replace(item, finish="length", flags=("truncated",)) if cut else item

    services = Services(ScriptedModel("meta", GENERATE), Cut("worker", WRONG), sandbox)
    events = await run_events(sandbox, services=services)
    assert any("cut off" in n.text for n in of(events, Notice))


async def test_vanilla_is_one_call(sandbox: Pool) -> None:
    events = await run_events(sandbox, config=RunConfig(variant="vanilla", repeats=1))
    assert end(events).status == "passed"
    assert end(events).model_calls == end(events).steps == 1
