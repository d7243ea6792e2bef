"""Which of several equals is taken, and what a mean is divided by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from engine.events import (
    EvaluationFinished,
    Event,
    ModelCallStarted,
    RoundFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.models.base import Message, Sampling
from engine.operators import md_ensemble, sc_ensemble
from engine.operators.sets import AFLOW_CODE, PAPER
from engine.run.context import RunConfig, Services
from engine.run.execution import Execution
from engine.scores.metrics import summarise, token_f1
from engine.scores.scoring import Score
from engine.search import Trial
from engine.variants.adas_archive import fitness
from engine.variants.final import mean_score
from engine.variants.flowreasoner import feedback_on
from engine.variants.top_k import best_set
from engine.variants.trials import by_problem, by_repeat, mean, outcome_of, score_of
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import completion, end, of, run_events
from tests.support.scripted import ScriptedModel
from tests.support.searches import Lab

sandboxed = pytest.mark.asyncio(loop_scope="session")


def returning(code: str) -> str:
    return completion(f"return {code!r}", modification=code)


def in_turn(*replies: str) -> Any:
    numbers = count()
    return lambda *_: replies[min(next(numbers), len(replies) - 1)]


# Ties


@sandboxed
@pytest.mark.parametrize("answers", [("-1", "-2", "-3"), ("x * 2", "2 * x", "x + x")], ids=["none", "all"])
async def test_of_equally_good_rounds_the_first_is_scored(sandbox: Pool, answers: Sequence[str]) -> None:
    replies = in_turn(*(returning(f"def f(x): return {a}") for a in answers))
    config = RunConfig(rounds=3, repeats=1, stop_early=False)
    events = await run_events(sandbox, meta=replies, config=config)
    assert len({r.score for r in of(events, RoundFinished)}) == 1
    assert end(events).workflow_id == of(events, WorkflowProposed)[0].workflow_id


@sandboxed
async def test_a_better_round_is_scored_wherever_it_stands(sandbox: Pool) -> None:
    replies = in_turn(*(returning(f"def f(x): return {a}") for a in ("-1", "x * 2", "2 * x", "-2")))
    config = RunConfig(rounds=4, repeats=1, stop_early=False)
    events = await run_events(sandbox, meta=replies, config=config)
    assert end(events).workflow_id == of(events, WorkflowProposed)[1].workflow_id


@sandboxed
async def test_of_equally_good_rounds_aflow_locks_the_first(sandbox: Pool) -> None:
    changes = in_turn(*(returning(f"def one(x): return x + 1  # {n}") for n in range(3)))
    options = {"rounds": 3, "validation_rounds": 1, "check_convergence": False}
    config = RunConfig(variant="aflow", repeats=1, operators=AFLOW_CODE, options=options)
    found = await Lab(sandbox, changes, "nothing", config=config).search()
    assert [row["after"] for row in found["rounds"]] == [0.0, 0.5, 0.5, 0.5]
    assert found["round"] == 2


@sandboxed
async def test_of_equally_good_agents_adas_locks_the_first(sandbox: Pool) -> None:
    agent = 'def forward(self, taskInfo):\n    return "def one(x): return 0"\n'
    reply = json.dumps({"thought": "", "name": "new", "code": agent})
    options = {"generations": 1, "resamples": 100, "debug_max": 1}
    config = RunConfig(variant="adas", repeats=1, options=options)
    found = await Lab(sandbox, reply, '{"answer": "def one(x): return 0"}', config=config).search()
    assert {row["score"] for row in found["archive"]} == {0.0}
    assert found["round"] == 1


def test_of_equal_candidates_the_better_alone_and_then_the_first_is_kept() -> None:
    assert best_set([{"a": 1.0}, {"b": 1.0}, {"c": 1.0}], 2) == [0, 1]
    # Once everything is covered nothing adds to it, and what a candidate solves alone decides.
    assert best_set([{"a": 1.0, "b": 1.0}, {"a": 0.5}, {"b": 1.0}, {"a": 1.0}], 4) == [0, 2, 3, 1]


class Host:
    """The other side: replies in turn, and what was noted of them."""

    def __init__(self, *replies: str) -> None:
        self._replies = iter(replies)
        self.notes: list[str] = []

    async def call(self, method: str, **kwargs: Any) -> Any:
        if method == "note":
            self.notes.append(kwargs["code"])
            return None
        return {"text": next(self._replies)}


async def test_without_a_choice_the_first_of_the_most_frequent_solutions_is_taken() -> None:
    for run, votes in ((sc_ensemble.run, 1), (md_ensemble.run, md_ensemble.VOTES)):
        host = Host(*["none"] * 2 * votes)
        (chosen,) = (await run(host, solutions=["x", "y", "z", "y", "z"])).values()
        assert chosen == "y"
        assert host.notes == ["asked-again", "not-understood"] * votes


async def test_every_vote_is_asked_for_and_the_first_of_two_that_tie_wins() -> None:
    asked: list[list[str]] = []

    class Voter:
        def __init__(self, *wanted: str) -> None:
            self._wanted = iter(wanted)

        async def call(self, method: str, **kwargs: Any) -> Any:
            if method == "note":
                return None
            text = kwargs["messages"][0]["content"]
            wanted = next(self._wanted)
            asked[-1].append(wanted)
            return {"text": text.split(f":\n{wanted}")[0][-1] if wanted else "none of them"}

    for votes in (("b", "a", "a", "b", "", ""), ("a", "b", "b", "a", "", "")):
        asked.append([])
        result = await md_ensemble.run(Voter(*votes), solutions=["a", "b"])
        assert result == {"solution": votes[0]}
        assert tuple(asked[-1]) == votes, "AFlow asks for five; what is no vote is asked for again"


# Several executions


async def repeats(
    sandbox: Pool, crashing: Sequence[int] = (), answer: str = "def f(x): return {}"
) -> list[Event]:
    """A workflow executed three times for good; `crashing` are the repeats that end without an answer.

    Repeats are told apart by their seeds, since which of them asks first is chance.
    """
    body = 'reply = (await self.custom(input="x"))["response"]\n'
    built = build_workflow(
        completion(f'{body}if reply == "crash":\n    raise ValueError("no")\nreturn reply'), "", PAPER
    )
    assert isinstance(built, Workflow)
    crashes: set[int | None] = set()

    def worker(_: Sequence[Message], sampling: Sampling) -> str:
        return "crash" if sampling.seed in crashes else answer.format(sampling.seed)

    services = Services(ScriptedModel("meta", ""), ScriptedModel("w", worker), sandbox)
    config = RunConfig(repeats=3)
    events = await run_events(sandbox, workflow=built, services=services, config=config)
    if crashing:
        crashes |= {seed for repeat, seed in seeds_by_repeat(events).items() if repeat in crashing}
        events = await run_events(sandbox, workflow=built, services=services, config=config)
    return events


def seeds_by_repeat(events: list[Event]) -> dict[int, int]:
    repeat_of = {e.execution_id: e.repeat for e in of(events, WorkflowStarted)}
    execution_of = {e.step_id: e.execution_id for e in of(events, StepStarted)}
    calls = of(events, ModelCallStarted)
    return {repeat_of[execution_of[c.step_id]]: c.params["seed"] for c in calls if c.step_id}


@sandboxed
@pytest.mark.parametrize(("crashing", "first"), [((), 1), ((2,), 1), ((1,), 2), ((1, 2), 3)])
async def test_the_answer_is_that_of_the_first_repeat_that_has_one(
    sandbox: Pool, crashing: Sequence[int], first: int
) -> None:
    events = await repeats(sandbox, crashing)
    repeat_of = {e.execution_id: e.repeat for e in of(events, WorkflowStarted)}
    answers = {repeat_of[e.execution_id]: e.answer for e in of(events, WorkflowFinished)}
    assert len(set(answers.values())) == 3 - max(len(crashing) - 1, 0)
    assert end(events).answer == answers[first] is not None


@sandboxed
async def test_a_crash_is_a_zero_in_the_mean_of_the_repeats(sandbox: Pool) -> None:
    right = "def f(x): return x * 2"
    for crashing, mean_of_three in (((), 1.0), ((2,), 2 / 3), ((1, 3), 1 / 3), ((1, 2, 3), 0.0)):
        events = await repeats(sandbox, crashing, right)
        assert end(events).score == pytest.approx(mean_of_three)
        assert len(of(events, EvaluationFinished)) == 3


def executions(*values: float | None) -> list[tuple[Execution, Score | None]]:
    return [(Execution(str(n), "ok", "a", None), Score(v, 0, 1)) for n, v in enumerate(values)]


def test_an_execution_without_a_verdict_is_in_no_denominator() -> None:
    assert mean_score(executions(1.0, None, 0.0)) == 0.5
    assert mean_score(executions(None, 1.0, None)) == 1.0
    assert mean_score(executions(None, None)) is None
    assert mean_score([]) is None
    assert feedback_on(executions(1.0, None)).startswith("Mean pass rate 1.00 over 2 executions.")


def test_a_benchmark_is_averaged_over_what_was_scored() -> None:
    found = summarise([1.0, 0.5, None, 1.0, None])
    assert (found.solved, found.mean) == (pytest.approx(2 / 3), pytest.approx(2.5 / 3))
    assert (found.scored, found.infra) == (3, 2)


def trial(status: str, score: float | None = None, problem: str = "p", repeat: int = 1) -> Trial:
    return Trial("r", problem, repeat, status, score, None, None, 0, 0, 0.0)


def test_a_search_counts_failures_as_zeros_and_leaves_out_what_has_no_verdict() -> None:
    assert {score_of(trial(s)) for s in ("failed", "error", "budget", "answered")} == {0.0}
    assert {score_of(trial(s)) for s in ("infra", "cancelled", "interrupted")} == {None}
    outcomes = [
        outcome_of(one)
        for one in (
            trial("passed", 1.0, "p", 1),
            trial("infra", None, "q", 1),
            trial("budget", None, "p", 2),
            trial("passed", 1.0, "q", 2),
            trial("infra", None, "p", 3),
            trial("cancelled", None, "q", 3),
        )
    ]
    assert by_repeat(outcomes) == [1.0, 0.5]
    assert by_problem(outcomes) == {"p": 0.5, "q": 1.0}
    assert by_problem(outcomes[4:]) == {"p": None, "q": None}
    assert mean([None, 0.25, None, 0.75]) == 0.5
    assert mean([None]) is None and mean([]) is None


def test_words_said_too_much_cost_as_much_as_words_left_out() -> None:
    """F1 is the harmonic mean of precision and recall, not one of them."""
    assert token_f1("red", "red blue green") == pytest.approx(0.5)  # precision 1, recall 1/3
    assert token_f1("red blue green", "red") == pytest.approx(0.5)


def test_an_agents_fitness_is_told_from_the_2_5th_to_the_97_5th_percentile() -> None:
    # Of Binomial(24, 1/2): P(X <= 16) = 0.968 and P(X <= 17) = 0.989, so the ends are 7 and 17 of 24.
    found = fitness([1.0] * 12 + [0.0] * 12, resamples=20_000, seed=1)
    assert (found.low, found.median, found.high) == pytest.approx((7 / 24, 12 / 24, 17 / 24))
