"""FlowReasoner's loop as its options state it: where a round comes from, and what the meta-agent is told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from engine.events import RoundFinished, WorkflowProposed
from engine.models.base import Message
from engine.operators.sets import PAPER
from engine.prompts import Experience, best_round, propose_messages
from engine.run.context import RunConfig, Services
from engine.variants import PRESETS, VARIANTS, OptionError, load_variant, options_of
from engine.variants.flowreasoner import FlowReasonerOptions
from engine.variants.spec import read_spec
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, completion, end, of, run_events
from tests.support.scripted import ScriptedModel

sandboxed = pytest.mark.asyncio(loop_scope="session")


def returning(expression: str) -> str:
    return completion(f'return "def f(x): return {expression}"', modification=f"returns {expression}")


def meta_agent(*expressions: str) -> ScriptedModel:
    numbers = count()
    replies = [returning(e) for e in expressions]
    return ScriptedModel("meta", lambda *_: replies[min(next(numbers), len(replies) - 1)])


async def run(sandbox: Pool, meta: ScriptedModel, rounds: int = 3, **options: Any) -> list[Any]:
    config = RunConfig(rounds=rounds, repeats=1, options=options)
    return await run_events(
        sandbox, config=config, services=Services(meta, ScriptedModel("worker", RIGHT), sandbox)
    )


def history(*scores: float | None) -> list[Experience]:
    return [
        Experience(n, f"code {n}", f"P = {n}", f"change {n}", score, f"feedback {n}")
        for n, score in enumerate(scores, 1)
    ]


def asked(rounds: Sequence[Experience], **options: Any) -> str:
    return propose_messages(DOUBLE, PAPER, list(rounds), **options)[-1]["content"]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((0.5,), 1),
        ((0.5, 0.5, 0.5), 1),
        ((0.0, 0.5, 0.5), 2),
        ((None, 0.0, 0.0), 2),
        ((None, None), 1),
        ((1.0, 0.0), 1),
        ((0.0, None, 0.25, 0.25), 3),
    ],
)
def test_the_prompt_builds_on_the_first_of_the_best_as_the_final_choice_does(
    scores: Sequence[float | None], best: int
) -> None:
    rounds = history(*scores)
    assert best_round(rounds).round == best
    assert f"Best workflow (round {best}):\n<graph>\ncode {best}" in asked(rounds)


def test_feedback_on_the_last_round_comes_with_its_workflow() -> None:
    text = asked(history(0.5, 0.0, 0.25))
    assert "Workflow of round 3:\n<graph>\ncode 3\n</graph>\n\n<prompt>\nP = 3" in text
    assert text.index("code 3") < text.index("feedback 3")
    assert "code 2" not in text
    assert "feedback 2" not in text
    # Where the last one is the best it is shown once.
    assert asked(history(0.0, 0.5)).count("code 2") == 1


def test_feedback_on_all_rounds_and_on_none() -> None:
    text = asked(history(0.0, 0.5, None), feedback="all")
    for number in (1, 2, 3):
        assert text.count(f"code {number}") == 1
        assert text.count(f"feedback {number}") == 1
    text = asked(history(0.0, 0.5, None), feedback="none")
    assert "feedback" not in text.lower()
    assert "Round 1: val pass rate 0.00: change 1" in text
    assert "code 2" in text
    assert "code 1" not in text


def test_another_parent_than_the_best_is_not_called_the_best() -> None:
    text = asked(history(1.0, 0.0), parent=2)
    assert "Workflow to change (round 2):\n<graph>\ncode 2" in text
    assert "Best" not in text


def test_visible_tests_are_shown_or_not() -> None:
    assert "assert f(3) == 6" in asked([])
    assert "assert" not in asked([], show_tests=False)


@sandboxed
async def test_the_template_is_round_1_in_front_of_the_others(sandbox: Pool) -> None:
    meta = meta_agent("-1", "-2")
    events = await run(sandbox, meta, rounds=2, seed="template", stop_early=False)
    assert [r.round for r in of(events, RoundFinished)] == [1, 2, 3]
    first = of(events, WorkflowProposed)[0]
    assert first.call_id is None
    assert "custom_code_generate" in first.code
    assert len(meta.calls) == 2
    assert "Best workflow (round 1)" in meta.calls[0][-1]["content"]
    assert end(events).workflow_id == first.workflow_id
    assert end(events).score == 1.0


@sandboxed
async def test_soft_mixed_draws_a_parent_that_need_not_be_the_best(sandbox: Pool) -> None:
    meta = meta_agent("x * 2", "-1", "-2", "-3", "-4", "-5")
    await run(sandbox, meta, rounds=6, parent="soft-mixed", mix=1.0, stop_early=False)
    told = [call[-1]["content"] for call in meta.calls[1:]]
    assert any("Workflow to change (round " in text for text in told)
    again = meta_agent("x * 2", "-1", "-2", "-3", "-4", "-5")
    await run(sandbox, again, rounds=6, parent="soft-mixed", mix=1.0, stop_early=False)
    assert [c[-1]["content"] for c in again.calls] == [c[-1]["content"] for c in meta.calls]


@sandboxed
async def test_without_repair_a_workflow_that_cannot_run_costs_one_call(sandbox: Pool) -> None:
    broken = completion("return await self.no_such_operator(problem=problem)")
    for repair, calls in ((False, 2), (True, 4)):
        meta = ScriptedModel("meta", broken)
        events = await run(sandbox, meta, rounds=2, parent="soft-mixed", repair=repair)
        assert len(meta.calls) == calls
        assert [r.workflow_id for r in of(events, RoundFinished)] == [None, None]


@sandboxed
@pytest.mark.parametrize(
    ("of_the_run", "option", "rounds"),
    [(True, None, 1), (False, None, 2), (True, False, 2), (False, True, 1)],
)
async def test_when_a_search_stops(sandbox: Pool, of_the_run: bool, option: bool | None, rounds: int) -> None:
    meta = meta_agent("x * 2", "2 * x")
    options = {"stop_early": option}
    config = RunConfig(rounds=2, repeats=1, stop_early=of_the_run, options=options)
    services = Services(meta, ScriptedModel("worker", RIGHT), sandbox)
    events = await run_events(sandbox, config=config, services=services)
    assert len(of(events, RoundFinished)) == rounds


def test_a_preset_sets_what_is_not_given() -> None:
    release = options_of(FlowReasonerOptions, {"preset": "release"})
    assert (release.parent, release.seed, release.feedback) == ("soft-mixed", "template", "none")
    assert (release.repair, release.stop_early, release.show_tests) == (False, False, False)
    mixed = options_of(FlowReasonerOptions, {"preset": "release", "repair": "yes", "seed": "none"})
    assert (mixed.repair, mixed.seed, mixed.parent) == (True, "none", "soft-mixed")
    paper = options_of(FlowReasonerOptions, {"preset": "paper"})
    assert (paper.seed, paper.feedback, paper.parent) == ("none", "all", "soft-mixed")
    with pytest.raises(OptionError, match="option preset: input should be 'ours', 'paper' or 'release'"):
        options_of(FlowReasonerOptions, {"preset": "papers"})


def test_what_is_recorded_says_every_option_and_reads_as_itself() -> None:
    spec, _ = read_spec("flowreasoner,preset=release,alpha=0.5")
    assert spec.values["parent"] == "soft-mixed"
    assert spec.values["alpha"] == 0.5
    assert options_of(FlowReasonerOptions, spec.values).model_dump() == spec.values


def test_every_preset_is_offered_and_can_be_read() -> None:
    for written in PRESETS:
        assert read_spec(written)[0].values["preset"] == written.rpartition("=")[2]
    for name in VARIANTS:
        options = load_variant(name).options
        for preset, values in options.presets.items():
            assert not values or f"{name},preset={preset}" in PRESETS
            assert options_of(options, {"preset": preset})


def test_a_round_without_repair_is_one_call_at_most() -> None:
    most = load_variant("flowreasoner").most_calls
    assert most is not None
    assert most(RunConfig(rounds=4)) == (8, None)
    assert most(RunConfig(rounds=4, options={"preset": "paper"})) == (4, None)


def test_messages_of_the_loop_hold_no_hidden_test() -> None:
    messages: list[Message] = propose_messages(DOUBLE, PAPER, history(0.0, 0.0), feedback="all")
    assert "f(2)" not in str(messages)
    assert "f(5)" not in str(messages)
