"""The manual variants end to end: scripted workers, a real sandbox; their calls are counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from engine.events import (
    Event,
    ModelCallStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowProposed,
)
from engine.models.base import Message, ModelError, Sampling
from engine.problems import Kind, Problem
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.variants import OptionError, load_variant, options_of
from engine.variants.manual import manual_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, WRONG, end, of, run_events
from tests.support.scripted import Answer, ScriptedModel
from tui.trace.nodes import ProposalNode, StepNode
from tui.trace.state import RunState

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANUAL = ("vanilla", "self-refine", "llm-debate", "llm-blender", "autoagents")
UNTESTED = replace(DOUBLE, tests=replace(DOUBLE.tests, visible=()))
QUESTION = Problem("capital", "What is the capital of France?", kind="qa", answer="Paris")
SUM = Problem("sum", "What is 2 + 2?", kind="math", answer="4")
POEM = Problem("poem", "Write a poem.", kind="open")


def program(number: int) -> str:
    """A right solution that is a text of its own."""
    return f"```python\n# {number}\ndef f(x):\n    return x * 2\n```"


def asks(messages: Sequence[Message], text: str) -> bool:
    return text in messages[-1]["content"]


async def run(
    sandbox: Pool,
    variant: str,
    worker: Answer | str,
    problem: Problem = DOUBLE,
    budget: Budget = Budget(),  # noqa: B008  immutable
    **options: Any,
) -> tuple[list[Event], ScriptedModel]:
    """Its events and the worker, which knows what it was asked."""
    model = ScriptedModel("worker", worker)
    services = Services(ScriptedModel("meta", "nothing"), model, sandbox)
    config = RunConfig(variant=variant, repeats=1, options=options, budget=budget)
    return await run_events(sandbox, problem=problem, services=services, config=config), model


def numbered(reply: Callable[[int], str]) -> Answer:
    """A worker whose every reply is another."""
    numbers = count(1)
    return lambda *_: reply(next(numbers))


@pytest.mark.parametrize("variant", MANUAL)
@pytest.mark.parametrize("kind", ["code", "qa", "math", "open"])
async def test_the_files_are_workflows_that_run_as_written(variant: str, kind: Kind) -> None:
    workflow = manual_workflow(variant, kind, load_variant(variant).options())
    assert workflow.strict_ok and not workflow.repairs
    assert workflow.graph.nodes


@pytest.mark.parametrize("variant", MANUAL)
async def test_a_right_worker_passes_and_a_wrong_one_fails(sandbox: Pool, variant: str) -> None:
    events, _ = await run(sandbox, variant, RIGHT)
    assert (end(events).status, end(events).score) == ("passed", 1.0)
    (proposed,) = of(events, WorkflowProposed)
    assert proposed.graph["nodes"] and proposed.workflow_id == end(events).workflow_id
    events, _ = await run(sandbox, variant, WRONG)
    assert (end(events).status, end(events).score) == ("failed", 0.0)


@pytest.mark.parametrize(
    ("kind", "form"), [("qa", "the answer to the following alone"), ("math", "\\boxed{}")]
)
async def test_the_baseline_for_text_is_one_plain_call_and_thinks_only_when_told_to(
    sandbox: Pool, kind: Kind, form: str
) -> None:
    problem = replace(QUESTION, kind=kind)
    for thinks, words in ((False, form), (True, "Think step by step")):
        _, model = await run(sandbox, "vanilla", "<answer>x</answer>", problem, step_by_step=thinks)
        (asked,) = model.calls
        assert words in asked[-1]["content"]
        assert ("step by step" in asked[-1]["content"]) is thinks


async def test_the_baseline_has_the_temperature_it_is_given_and_else_the_models_own(sandbox: Pool) -> None:
    for problem, thinks in ((DOUBLE, False), (QUESTION, False), (QUESTION, True), (POEM, False)):
        for temperature in (None, 0.0, 0.8):
            options = {"step_by_step": thinks, "temperature": temperature}
            events, _ = await run(sandbox, "vanilla", RIGHT, problem, **options)
            (call,) = of(events, ModelCallStarted)
            assert call.params.get("temperature") == temperature, (problem.id, thinks)


@pytest.mark.parametrize("variant", MANUAL)
async def test_it_is_shown_like_a_generated_workflow(sandbox: Pool, variant: str) -> None:
    events, _ = await run(sandbox, variant, numbered(program))
    state = RunState()
    for event in events:
        state.apply(event)
    assert state.finished and not state.tree.open
    (proposal,) = [n for n in state.tree.nodes.values() if isinstance(n, ProposalNode)]
    steps = [n for n in state.tree.nodes.values() if isinstance(n, StepNode)]
    assert len(steps) == len(of(events, StepStarted)) > 0
    for step in steps:
        calls = [n for n in proposal.graph["nodes"] if n["attribute"] == step.operator]
        assert any(n["line"] <= (step.line or 0) <= n["end_line"] for n in calls), step


@pytest.mark.parametrize("variant", MANUAL)
@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   \n",
        "I would rather not.",
        "```python\ndef f(:\n```",
        '{"name": ["deep", {',
        "DONE",
        "\0\x1b[31m{}{0}%s",
    ],
    ids=["empty", "blank", "prose", "broken", "braces", "signal", "control"],
)
async def test_garbage_of_a_worker_is_a_verdict(sandbox: Pool, variant: str, reply: str) -> None:
    for problem in (DOUBLE, QUESTION):
        events, _ = await run(sandbox, variant, reply, problem)
        assert (end(events).status, end(events).score) == ("failed", 0.0)


@pytest.mark.parametrize("variant", MANUAL[1:])
async def test_a_budget_spent_midway_ends_the_run(sandbox: Pool, variant: str) -> None:
    worker = numbered(program)
    events, model = await run(sandbox, variant, worker, budget=Budget(model_calls=2))
    assert end(events).status == "budget"
    assert len(model.calls) == 2
    assert {e.step_id for e in of(events, StepStarted)} == {e.step_id for e in of(events, StepFinished)}


@pytest.mark.parametrize(
    ("variant", "calls"),
    # One answer and 4 × (feedback, refinement); 3 agents × 2 rounds; 5 candidates, 5 × 4 ordered pairs and
    # the fusion; 3 drafts, the first two criticised by two, then the Language Expert's 5 turns.
    [("vanilla", 1), ("self-refine", 9), ("llm-debate", 6), ("llm-blender", 26), ("autoagents", 12)],
)
async def test_the_defaults_make_as_many_calls_as_documented(sandbox: Pool, variant: str, calls: int) -> None:
    _, model = await run(sandbox, variant, numbered(program))
    assert len(model.calls) == calls
    bound = load_variant(variant).most_calls
    assert bound is not None
    meta, worker = bound(RunConfig(variant=variant, repeats=1))
    assert meta == 0
    assert worker is None or calls <= worker <= calls + 1  # a debate may need a judge


@pytest.mark.parametrize("variant", MANUAL[1:])
@pytest.mark.parametrize(
    ("problem", "reply"),
    [(QUESTION, "It is <answer>paris.</answer>"), (SUM, "So \\boxed{4}."), (POEM, "Roses.")],
)
async def test_other_kinds_of_problems(sandbox: Pool, variant: str, problem: Problem, reply: str) -> None:
    events, _ = await run(sandbox, variant, reply, problem)
    assert end(events).status == ("answered" if problem is POEM else "passed")


@pytest.mark.parametrize("variant", MANUAL[1:])
async def test_a_context_that_overflows_costs_no_more_than_what_follows(sandbox: Pool, variant: str) -> None:
    """The first calls are answered, as prompts grow all others are refused."""
    first = {"llm-debate": 3, "llm-blender": 5, "self-refine": 1, "autoagents": 8}[variant]
    numbers = count(1)

    def worker(messages: Sequence[Message], _: Sampling) -> str | Exception:
        number = next(numbers)
        return program(number) if number <= first else ModelError("context-length", "the prompt is too long")

    events, _ = await run(sandbox, variant, worker)
    assert end(events).status == "passed"
    assert "too long" in of(events, WorkflowFinished)[-1].stdout


# Self-refine


async def test_self_refine_stops_when_the_feedback_says_so_and_only_then(sandbox: Pool) -> None:
    said = {"It is right.\n\n**DONE**.": 2, "This is not DONE": 9, "DONE is what it is not.\nMore.": 9}
    for feedback, calls in said.items():
        numbers = count(1)

        def worker(
            messages: Sequence[Message], _: Sampling, feedback: str = feedback, numbers: Any = numbers
        ) -> str:
            return feedback if asks(messages, "only DONE") else program(next(numbers))

        _, model = await run(sandbox, "self-refine", worker)
        assert len(model.calls) == calls, feedback


async def test_self_refine_shows_the_whole_history_and_tests_nothing(sandbox: Pool) -> None:
    events, model = await run(sandbox, "self-refine", numbered(program), max_refinements=2)
    last = model.calls[-1][-1]["content"]
    assert all(f"# {number}\n" in last for number in (1, 2, 3, 4))  # both solutions, both feedbacks
    assert last.index("# 1\n") < last.index("# 2\n") < last.index("# 3\n")
    assert {s.operator for s in of(events, StepStarted)} == {"custom", "custom_code_generate"}
    assert {c.params.get("temperature") for c in of(events, ModelCallStarted)} == {0.7}


async def test_self_refine_keeps_a_solution_over_an_empty_refinement(sandbox: Pool) -> None:
    numbers = count(1)
    events, _ = await run(sandbox, "self-refine", lambda *_: RIGHT if next(numbers) == 1 else "")
    assert end(events).status == "passed"


# LLM-debate


async def test_agents_see_the_others_and_themselves_apart(sandbox: Pool) -> None:
    _, model = await run(sandbox, "llm-debate", numbered(program))
    first, second = model.calls[:3], model.calls[3:]
    assert len({m[-1]["content"] for m in first}) == 1
    assert all({int(n) for n in re.findall(r"# (\d)\n", m[-1]["content"])} == {1, 2, 3} for m in second)
    own = [re.search(r"so far:\n# (\d)", m[-1]["content"]) for m in second]
    assert {o[1] for o in own if o} == {"1", "2", "3"}


async def test_a_debate_on_code_is_decided_by_behaviour(sandbox: Pool) -> None:
    """Two of three agree on a wrong program, in other words; the visible tests know better."""
    replies = [WRONG, WRONG.replace("x + 1", "1 + x"), RIGHT]
    numbers = count()
    events, model = await run(sandbox, "llm-debate", lambda *_: replies[next(numbers) % 3], rounds=1)
    assert end(events).status == "passed"
    assert len(model.calls) == 3
    assert [s.operator for s in of(events, StepStarted)] == ["custom_code_generate"] * 3 + ["test"] * 3


async def test_without_visible_tests_a_judge_decides_and_nothing_counts_as_passed(sandbox: Pool) -> None:
    """AFlow's Test reports success where there are no tests."""
    replies = [WRONG, RIGHT, WRONG]
    numbers = count()

    def worker(messages: Sequence[Message], _: Sampling) -> str:
        if asks(messages, "solution_letter"):
            right = re.search(r"([A-C]):\ndef f\(x\):\n    return x \* 2", messages[-1]["content"])
            return f"<solution_letter>{right[1] if right else ''}</solution_letter>"
        return replies[next(numbers) % 3]

    events, model = await run(sandbox, "llm-debate", worker, UNTESTED, rounds=1)
    assert end(events).status == "passed"
    assert len(model.calls) == 4
    tested = [
        e.output for e in of(events, StepFinished) if isinstance(e.output, dict) and "total" in e.output
    ]
    assert [(o["result"], o["total"]) for o in tested] == [(False, 0)] * 3


@pytest.mark.parametrize(
    ("problem", "replies"),
    [
        (QUESTION, ["<answer>Lyon</answer>", "<answer>The Paris!</answer>", "<answer>paris</answer>"]),
        (SUM, ["\\boxed{5}", "\\boxed{4}", "so it is:\n\\boxed{4}"]),
    ],
)
async def test_a_debate_on_answers_goes_to_the_majority(
    sandbox: Pool, problem: Problem, replies: list[str]
) -> None:
    numbers = count()
    events, model = await run(sandbox, "llm-debate", lambda *_: replies[next(numbers) % 3], problem, rounds=1)
    assert end(events).status == "passed"
    assert len(model.calls) == 3


# LLM-blender


async def test_every_pair_is_compared_in_both_orders(sandbox: Pool) -> None:
    """A ranker that always prefers the first place gives each as many points as the others."""
    compared: list[tuple[str, str]] = []

    def worker(messages: Sequence[Message], sampling: Sampling) -> str:
        text = messages[-1]["content"]
        if asks(messages, "<better>"):
            one, other = re.findall(r"# (\d)\n", text)
            compared.append((one, other))
            return "<better>A</better>"
        ranked.append(re.findall(r"A candidate:\n# (\d)", text))
        return program(len(ranked))

    ranked: list[list[str]] = []
    await run(sandbox, "llm-blender", worker, candidates=3)
    assert sorted(compared) == [(a, b) for a in "123" for b in "123" if a != b]
    assert sorted(ranked[-1]) == ["1", "2", "3"]


async def test_the_fusion_sees_the_best_three_in_order(sandbox: Pool) -> None:
    ranked: list[list[str]] = []

    def worker(messages: Sequence[Message], sampling: Sampling) -> str:
        text = messages[-1]["content"]
        if asks(messages, "<better>"):
            one, other = re.findall(r"# (\d)\n", text)
            return f"<better>{'A' if one > other else 'B'}</better>"
        ranked.append(re.findall(r"A candidate:\n# (\d)", text))
        return program(len(ranked))

    events, _ = await run(sandbox, "llm-blender", worker)
    assert ranked[-1] == ["5", "4", "3"]
    temperatures = [c.params.get("temperature") for c in of(events, ModelCallStarted)]
    assert temperatures == [0.7] * 5 + [0.0] * 21


async def test_a_fusion_that_is_no_code_gives_way_to_the_best_candidate(sandbox: Pool) -> None:
    def worker(messages: Sequence[Message], sampling: Sampling) -> str:
        if asks(messages, "A candidate"):
            return "I cannot join these."
        return "neither" if asks(messages, "<better>") else program(next(numbers))

    numbers = count(1)
    events, _ = await run(sandbox, "llm-blender", worker)
    assert end(events).status == "passed"


async def test_candidates_that_are_all_the_same_are_not_compared(sandbox: Pool) -> None:
    _, model = await run(sandbox, "llm-blender", RIGHT)
    assert len(model.calls) == 5


# AutoAgents

TEAM = """Two roles will do.
```json
[{"name": "Analyst", "description": "finds the {special} cases", "prompt": "List them."},
 {"name": "Language Expert", "description": "writes the answer", "prompt": "Write it down."},
 {"name": "Expert", "description": "a name that is part of another"}]
```
Broken on the way: {"name": "Nobody", "description":
1. [Analyst]: find the cases
2. **Language Expert**: write the answer
"""


def team(draft: str = TEAM, advice: str = "No Suggestions.", work: str = f"Final Output:\n{RIGHT}") -> Answer:
    def worker(messages: Sequence[Message], _: Sampling) -> str:
        if asks(messages, "You put together a small team"):
            return draft
        if asks(messages, "reply with No Suggestions"):
            return advice
        return work

    return worker


def roles(model: ScriptedModel) -> list[str]:
    """Who acted, in order."""
    found = (re.match(r"You are the (.+?) of a team", m[-1]["content"]) for m in model.calls)
    return [f[1] for f in found if f]


async def test_consensus_on_the_first_draft_ends_drafting(sandbox: Pool) -> None:
    events, model = await run(sandbox, "autoagents", team())
    assert end(events).status == "passed"
    assert len(model.calls) == 5
    assert roles(model) == ["Analyst", "Language Expert"]


async def test_an_early_no_suggestions_does_not_count_for_later_drafts(sandbox: Pool) -> None:
    """In the release the advice of all rounds is one string, in which it is found for ever after."""
    said = [
        "No Suggestions",
        "Add a tester.",
        "Drop a step.",
        "No suggestions would be wrong to say: add one.",
    ]
    numbers = count()

    def worker(messages: Sequence[Message], sampling: Sampling) -> str | Exception:
        if asks(messages, "reply with No Suggestions"):
            return said[next(numbers)]
        return team()(messages, sampling)

    _, model = await run(sandbox, "autoagents", worker)
    drafts = [m[-1]["content"] for m in model.calls if asks(m, "You put together a small team")]
    assert len(drafts) == 3
    assert "Add a tester" in drafts[1]
    assert "Drop a step" in drafts[2] and "Add a tester" not in drafts[2]


async def test_the_plans_observer_does_not_read_the_roles_advice(sandbox: Pool) -> None:
    _, model = await run(sandbox, "autoagents", team(advice="Rename the Analyst to Zoologist."))
    checks = [m[-1]["content"] for m in model.calls if asks(m, "reply with No Suggestions")]
    assert len(checks) == 4
    assert not any("Zoologist" in c for c in checks)


async def test_roles_match_as_wholes(sandbox: Pool) -> None:
    """ "Expert" is a role here, and "Language Expert" does not call it; "Analysts" is nobody."""
    draft = TEAM.replace("1. [Analyst]", "1. Analysts, Expert")
    _, model = await run(sandbox, "autoagents", team(draft))
    assert roles(model) == ["Expert", "Language Expert"]


async def test_the_language_expert_is_there_and_has_the_last_step(sandbox: Pool) -> None:
    draft = '{"name": "Coder"}\n1. Coder: write it\n2. Coder and Coder: write it again'
    _, model = await run(sandbox, "autoagents", team(draft))
    assert roles(model) == ["Coder", "Coder", "Language Expert"]


async def test_a_role_has_five_turns_and_sees_the_visible_tests(sandbox: Pool) -> None:
    draft = '{"name": "Coder"}\n1. Coder: write it'
    events, model = await run(sandbox, "autoagents", team(draft, work=WRONG), drafts=1)
    assert roles(model) == ["Coder"] * 5 + ["Language Expert"] * 5
    assert "2 of 2 tests failed" not in model.calls[1][-1]["content"]
    assert "1 of 2 tests failed" in model.calls[2][-1]["content"]
    assert "last turn" in model.calls[5][-1]["content"]
    assert "last turn" not in model.calls[4][-1]["content"]
    assert end(events).status == "failed"


async def test_a_plan_without_end_is_cut(sandbox: Pool) -> None:
    draft = '{"name": "Coder"}\n' + "\n".join(f"{n}. Coder: more" for n in range(1, 100))
    _, model = await run(sandbox, "autoagents", team(draft))
    assert roles(model) == ["Coder"] * 7 + ["Language Expert"]


async def test_an_observer_that_cannot_answer_does_not_cost_the_draft(sandbox: Pool) -> None:
    def worker(messages: Sequence[Message], sampling: Sampling) -> str | Exception:
        if asks(messages, "reply with No Suggestions"):
            return ModelError("context-length", "the prompt is too long")
        return team()(messages, sampling)

    events, model = await run(sandbox, "autoagents", worker)
    assert end(events).status == "passed"
    assert roles(model) == ["Analyst", "Language Expert"]


# Options


@pytest.mark.parametrize(
    ("variant", "values", "says"),
    [
        ("self-refine", {"max_refinements": "-1"}, "max_refinements"),
        ("self-refine", {"temperature": "hot"}, "temperature"),
        ("self-refine", {"rounds": "3"}, "rounds"),
        ("llm-debate", {"agents": "0"}, "agents"),
        ("llm-blender", {"candidates": "1000"}, "candidates"),
        ("vanilla", {"agents": "2"}, "options are step_by_step"),
    ],
)
async def test_options_that_cannot_be(variant: str, values: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        options_of(load_variant(variant).options, values)


async def test_options_are_part_of_what_a_workflow_is() -> None:
    options = load_variant("self-refine").options
    ids = [
        manual_workflow("self-refine", kind, options_of(options, values)).id
        for kind in ("code", "qa", "math")
        for values in ({}, {"max_refinements": "2"}, {"temperature": "0"})
    ]
    assert len(set(ids)) == len(ids)


async def test_what_one_execution_does_to_its_prompts_no_other_sees(sandbox: Pool) -> None:
    """AFlow's workflows share one prompt module: what one adds to a prompt, all are sent."""
    model = ScriptedModel("worker", numbered(program))
    services = Services(ScriptedModel("meta", ""), model, sandbox)
    config = RunConfig(variant="self-refine", repeats=3, options={"max_refinements": 1})
    events = await run_events(sandbox, services=services, config=config)
    assert [e.status for e in of(events, WorkflowFinished)] == ["ok"] * 3
    lengths = sorted(len(m[-1]["content"]) for m in model.calls)
    assert len(set(lengths)) == 3  # three kinds of prompts, each the same in all three
