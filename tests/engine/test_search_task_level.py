"""MetaFlow and the top-K task workflows: scripted models, a real sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, count
from random import Random
from typing import Any

import pytest

from engine.events import EvaluationFinished, Notice, RoundFinished, StepStarted, WorkflowFinished
from engine.models.base import Message
from engine.operators.metaflow_sets import METAFLOW, METAFLOW_SETS, NotRenamableError, renamed
from engine.operators.own import OperatorSetError, load_set
from engine.operators.sets import PAPER, SCOREFLOW
from engine.operators.specs import OperatorSet
from engine.problems import Problem
from engine.prompts import MAX_EXAMPLE, task_messages
from engine.run.context import RunConfig
from engine.tasks import Task
from engine.variants.metaflow_prompts import messages, overview, template
from engine.variants.top_k import best_set, coverage
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import completion
from tests.support.scripted import Answer
from tests.support.searches import PROBLEMS, SECRET, TASK, Lab, adder, assert_resumes

sandboxed = pytest.mark.asyncio(loop_scope="session")

THREE = replace(TASK, problems=(*PROBLEMS, adder("three", 3)))
BROKEN = completion("return await self.no_such(problem=problem)")


def adding(amount: int) -> str:
    """A workflow that solves only the problem that adds this much, with one worker call."""
    body = f'await self.custom(input=problem)\nreturn f"def {{entry_point}}(x):\\n    return x + {amount}"'
    return completion(body, modification=f"add {amount}")


def in_turn(*replies: str) -> Answer:
    numbers = count()
    return lambda *_: replies[min(next(numbers), len(replies) - 1)]


def asked(lab: Lab) -> Sequence[list[Message]]:
    return lab.services.meta_agent.calls  # type: ignore[attr-defined]


# MetaFlow


@sandboxed
async def test_metaflow_asks_once_and_runs_that_on_every_problem(sandbox: Pool) -> None:
    lab = Lab(sandbox, adding(1), config=RunConfig(variant="metaflow", repeats=1))
    found = await lab.search()
    assert lab.calls == (1, 0)
    assert found["val_score"] is None and not lab.trials
    ends = [await lab.solve(p, found) for p in PROBLEMS]
    assert [e.status for e in ends] == ["passed", "failed"]
    assert {e.workflow_id for e in ends} == {found["workflow_id"]}
    assert lab.calls == (1, 2)


@sandboxed
async def test_metaflow_shows_problems_without_tests_or_answers(sandbox: Pool) -> None:
    lab = Lab(sandbox, adding(1), config=RunConfig(variant="metaflow"))
    await lab.search()
    assert "adds 1 to x" in lab.seen and "adds 2 to x" in lab.seen
    assert SECRET not in lab.seen and "assert" not in lab.seen
    lab = Lab(sandbox, adding(1), config=RunConfig(variant="metaflow", options={"examples": "0"}))
    await lab.search()
    assert "to x." not in lab.seen and "Python functions that add a number." in lab.seen


@sandboxed
@pytest.mark.parametrize(
    ("operators", "body"),
    [
        (
            METAFLOW,
            'return await self.generate(instruction="careful")',
        ),
        (SCOREFLOW, 'return await self.code_generate(instruction="careful")'),
    ],
)
async def test_metaflow_works_with_any_operator_set(sandbox: Pool, operators: Any, body: str) -> None:
    config = RunConfig(variant="metaflow", repeats=1, operators=operators)
    lab = Lab(sandbox, completion(body), config=config)
    found = await lab.search()
    assert operators.describe() in "".join(m["content"] for m in asked(lab)[0])
    assert [(await lab.solve(p, found)).status for p in PROBLEMS] == ["passed", "passed"]


@pytest.mark.parametrize("chosen", METAFLOW_SETS, ids=lambda chosen: chosen.name)
@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_the_template_is_a_workflow_of_its_set(chosen: OperatorSet, seed: int | None) -> None:
    operators = chosen if seed is None else renamed(chosen, seed)
    source = template(operators).replace("...", 'return "x"')
    built = build_workflow(f"<think>hm</think>\n```python\n{source}\n```", "", operators)
    assert isinstance(built, Workflow) and built.format == "metaflow" and not built.diagnostics


def test_renamed_operators_have_no_name_or_description_of_their_own_left() -> None:
    every = next(s for s in METAFLOW_SETS if s.name == "metaflow-all")
    draws = [renamed(every, seed) for seed in range(20)]
    for draw in draws:
        for part in ("name", "attribute", "description"):
            assert not {getattr(o, part) for o in draw.operators} & {
                getattr(o, part) for o in every.operators
            }
            assert len({getattr(o, part) for o in draw.operators}) == 8
        assert {o.function for o in draw.operators} == {o.function for o in every.operators}
        assert load_set(draw.name) == draw
    assert len({draw.describe() for draw in draws}) > 15
    with pytest.raises(NotRenamableError, match="the operators of paper have no other names"):
        load_set("paper~1")
    for name in ("metaflow~", "metaflow~x", "metaflow~-1", "metaflow~1~2", "no~1"):
        with pytest.raises(OperatorSetError, match="there is no operator set"):
            load_set(name)


@sandboxed
async def test_metaflow_runs_with_renamed_operators(sandbox: Pool) -> None:
    operators = renamed(METAFLOW, 4)
    (asking,) = [o.attribute for o in operators.operators if o.function == "generate"]
    source = template(operators).replace("...", f'return await self.{asking}(instruction="careful")')
    config = RunConfig(variant="metaflow", repeats=1, operators=operators)
    lab = Lab(sandbox, f"```python\n{source}\n```", config=config)
    found = await lab.search()
    told = asked(lab)[0][1]["content"]
    assert "self.generate" not in told and "operator.Generate" not in told
    assert [(await lab.solve(p, found)).status for p in PROBLEMS] == ["passed", "passed"]


@sandboxed
async def test_metaflow_takes_the_best_of_several_on_problems_it_did_not_show(sandbox: Pool) -> None:
    three = replace(TASK, problems=(adder("one", 1), adder("two", 2), adder("deux", 2)))
    options = {"candidates": "4", "examples": "1"}
    config = RunConfig(variant="metaflow", repeats=1, operators=PAPER, options=options)
    lab = Lab(sandbox, in_turn(adding(9), BROKEN, BROKEN, adding(9), adding(2)), config=config, task=three)
    found = await lab.search()
    assert (found["round"], found["candidates"], found["valid"], found["again"]) == (4, 4, 3, 1)
    (shown,) = [p.id for p in three.problems if p.prompt in str(asked(lab)[0])]
    tried = {problem for _, problem, _ in lab.trials}
    assert tried == {p.id for p in three.problems} - {shown} and found["validation"] == 2
    assert found["val_score"] == (1.0 if shown == "one" else 0.5)
    one = Lab(sandbox, adding(1), config=config, task=replace(TASK, problems=(adder("one", 1),)))
    assert "no problems left to choose between workflows on" in await one.failing_search()


@sandboxed
async def test_of_equal_workflows_metaflow_takes_the_earliest_and_resumes(sandbox: Pool) -> None:
    options = {"candidates": "3", "examples": "0"}
    config = RunConfig(variant="metaflow", repeats=1, operators=PAPER, options=options)
    found = await Lab(sandbox, in_turn(adding(1), adding(2), adding(1)), config=config).search()
    assert (found["round"], found["val_score"], found["again"]) == (1, 0.5, 1)
    await assert_resumes(lambda: Lab(sandbox, in_turn(adding(1), adding(2)), config=config))


def test_the_prompt_has_its_seven_parts_in_order() -> None:
    problems = (Problem("a", "First question?", kind="qa", answer=SECRET),)
    task = Task("drop", "numbers in passages", "qa", problems)
    system, user = messages(task, METAFLOW, problems)
    heads = [
        "Domain: drop",
        "Operators:",
        "Principles:",
        "Template:",
        "Rules:",
        "Example questions",
        "Write the",
    ]
    assert [user["content"].index(head) for head in heads] == sorted(
        user["content"].index(head) for head in heads
    )
    assert "First question?" in user["content"] and SECRET not in user["content"]
    assert "```python" in system["content"]
    assert "Example questions" not in messages(task, METAFLOW, ())[1]["content"]


@pytest.mark.parametrize(
    "name", ["humaneval", "mbpp-sanitized", "bigcodebench-complete", "gsm8k", "math", "hotpotqa", "drop"]
)
def test_each_benchmark_has_an_overview_of_its_own(name: str) -> None:
    task = Task(name, "only this", "qa", ())
    assert "only this" not in overview(task)
    assert "only this" in overview(replace(task, name="mine"))


@sandboxed
async def test_metaflow_mends_once_and_then_gives_up_in_a_sentence(sandbox: Pool) -> None:
    lab = Lab(sandbox, in_turn(BROKEN, adding(1)), config=RunConfig(variant="metaflow"))
    await lab.search()
    assert lab.calls == (2, 0)
    for reply in (BROKEN, "", "I would rather not."):
        lab = Lab(sandbox, reply, config=RunConfig(variant="metaflow"))
        assert "wrote no workflow that can run for the task adders" in await lab.failing_search()
        assert lab.calls == (2, 0)


@sandboxed
async def test_metaflow_without_a_search_knows_only_the_kind(sandbox: Pool) -> None:
    lab = Lab(sandbox, adding(1), config=RunConfig(variant="metaflow", repeats=1))
    end = await lab.solve(PROBLEMS[0], None)
    assert end.status == "passed"
    assert "adds 1" not in str(asked(lab))
    assert any(isinstance(e, Notice) and "no search" in e.text for e in lab.trial_events)
    end = await Lab(sandbox, "nothing", config=RunConfig(variant="metaflow")).solve(PROBLEMS[0], None)
    assert end.status == "failed" and "cannot run" in (end.error or "")


def test_a_task_is_told_in_its_own_words() -> None:
    long = Problem("long", "x" * (MAX_EXAMPLE + 1), kind="qa", answer=SECRET)
    system, user = task_messages(Task("trivia", "Trivia.", "qa", (long,)), PAPER, examples=[long])
    assert "workflows that solve questions" in system["content"]
    assert "x" * MAX_EXAMPLE + "…" in user["content"]
    assert SECRET not in user["content"]


# Top-K


def test_the_best_set_by_hand() -> None:
    # The best alone solves two; what it misses only the third solves, though it is the worst alone.
    scores = [{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.9}, {"c": 0.5}]
    assert best_set(scores, 2) == [0, 2]
    assert best_set(scores, 3) == [0, 2, 1]
    assert best_set(scores, 9) == [0, 2, 1]
    assert best_set([{"a": 0.0}, {"a": 0.0}], 1) == [0]
    assert coverage([scores[0], scores[2]]) == 2.5
    assert coverage([]) == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_greedy_covering_is_within_its_bound_of_the_best_of_all_sets(seed: int) -> None:
    rng = Random(seed)
    scores = [{str(p): float(rng.random() < 0.3) for p in range(12)} for _ in range(7)]
    for size in (1, 2, 3):
        best = max(coverage(s) for s in combinations(scores, size))
        got = coverage([scores[i] for i in best_set(scores, size)])
        assert (1 - (1 - 1 / size) ** size) * best - 1e-9 <= got <= best


def top_k(sandbox: Pool, *replies: str, task: Task = THREE, repeats: int = 1, **options: int) -> Lab:
    config = RunConfig(variant="top-k", repeats=repeats, options={"candidates": len(replies), **options})
    return Lab(sandbox, in_turn(*replies), config=config, task=task)


@sandboxed
async def test_top_k_keeps_the_set_that_covers_most(sandbox: Pool) -> None:
    lab = top_k(sandbox, adding(0), adding(3), adding(1), adding(1), BROKEN, BROKEN, top=2)
    found = await lab.search()
    assert [w["round"] for w in found["workflows"]] == [2, 3]
    assert found["val_score"] == pytest.approx(2 / 3)
    rounds = [e for e in lab.events if isinstance(e, RoundFinished)]
    assert [r.score for r in rounds] == [0.0, pytest.approx(1 / 3), pytest.approx(1 / 3), None, None, None]
    assert "round 3 again" in rounds[3].feedback
    assert len(lab.trials) == 3 * 3  # what repeats and what cannot run is not run
    assert SECRET not in lab.seen


@sandboxed
async def test_top_k_asks_for_another_way_each_time(sandbox: Pool) -> None:
    lab = top_k(sandbox, adding(1), adding(2))
    await lab.search()
    first, second = (m[-1]["content"] for m in asked(lab))
    assert "another way" not in first
    assert "another way" in second and "add 1" in second


@sandboxed
async def test_top_k_runs_in_order_until_the_visible_tests_pass(sandbox: Pool) -> None:
    lab = top_k(sandbox, adding(3), adding(2), adding(1), repeats=2)
    found = await lab.search()
    ids = [w["workflow_id"] for w in found["workflows"]]
    for problem, tried in ((THREE.problems[2], 1), (PROBLEMS[1], 2), (PROBLEMS[0], 3)):
        lab.trial_events.clear()
        end = await lab.solve(problem, found)
        assert (end.status, end.workflow_id) == ("passed", ids[tried - 1])
        scored = [e for e in lab.trial_events if isinstance(e, EvaluationFinished)]
        assert [e.split for e in scored].count("visible") == 2 * tried
        assert [e.split for e in scored].count("test") == 2  # `test` is looked at once a repeat
        assert len([e for e in lab.trial_events if isinstance(e, WorkflowFinished)]) == 2 * tried


@sandboxed
async def test_where_none_passes_the_best_alone_counts(sandbox: Pool) -> None:
    lab = top_k(sandbox, adding(1), adding(2))
    found = await lab.search()
    end = await lab.solve(adder("nine", 9), found)
    assert (end.status, end.workflow_id) == ("failed", found["workflows"][0]["workflow_id"])
    blind = replace(PROBLEMS[1], tests=replace(PROBLEMS[1].tests, visible=()))
    lab.trial_events.clear()
    end = await lab.solve(blind, found)
    assert (end.status, end.workflow_id) == ("failed", found["workflows"][0]["workflow_id"])
    assert len([e for e in lab.trial_events if isinstance(e, StepStarted)]) == 1


@sandboxed
async def test_a_workflow_that_crashes_gives_way_to_one_that_answers(sandbox: Pool) -> None:
    crash = completion(
        "await self.custom(input=problem)\nif 'nine' in problem:\n    raise ValueError('no')\n"
        'return f"def {entry_point}(x):\\n    return x + 1"'
    )
    lab = top_k(sandbox, crash, adding(2))
    found = await lab.search()
    end = await lab.solve(adder("nine", 9), found)
    assert end.status == "failed" and end.answer is not None
    assert end.workflow_id == found["workflows"][1]["workflow_id"]


@sandboxed
async def test_top_k_says_what_it_lacks(sandbox: Pool) -> None:
    assert "none of 2 workflows" in await top_k(sandbox, BROKEN, BROKEN).failing_search()
    empty = replace(THREE, problems=())
    assert "has no problems" in await top_k(sandbox, adding(1), task=empty).failing_search()
    end = await top_k(sandbox, adding(1)).solve(PROBLEMS[0], None)
    assert "flowreasoner bench" in (end.error or "")


@sandboxed
async def test_both_resume_where_they_stopped(sandbox: Pool) -> None:
    await assert_resumes(lambda: top_k(sandbox, BROKEN, adding(1), adding(2), task=TASK))


@sandboxed
async def test_metaflow_asks_no_second_time_when_it_resumes(sandbox: Pool) -> None:
    lab = Lab(sandbox, in_turn(BROKEN, adding(1)), config=RunConfig(variant="metaflow"))
    first = await lab.search()
    assert await lab.search() == first
    assert lab.calls == (2, 0)


@sandboxed
async def test_the_same_seed_shows_the_same_problems(sandbox: Pool) -> None:
    many = replace(TASK, problems=tuple(adder(f"add{n}", n) for n in range(20)))
    texts = []
    for seed in (1, 1, 2):
        lab = Lab(sandbox, adding(1), task=many, config=RunConfig(variant="metaflow", seed=seed))
        await lab.search()
        texts.append(asked(lab)[0][-1]["content"])
    assert texts[0] == texts[1] != texts[2]
