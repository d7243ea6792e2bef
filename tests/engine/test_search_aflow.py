"""AFlow: its formulas against numpy, and searches with scripted models in a real sandbox."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from engine.events import ModelCallStarted, Notice, RoundFinished, RoundStarted, WorkflowProposed
from engine.models.base import Message
from engine.operators.metaflow_sets import METAFLOW
from engine.operators.sets import AFLOW_CODE
from engine.run.context import RunConfig
from engine.search import Trial
from engine.variants import load_variant
from engine.variants.aflow import mistakes_of
from engine.variants.aflow_prompts import Tried
from engine.variants.aflow_selection import (
    candidates,
    choose_parent,
    converged,
    soft_mixed_probabilities,
)
from sandbox.pool import Pool
from tests.support.runs import completion
from tests.support.searches import (
    PROBLEMS,
    SECRET,
    Interrupted,
    Lab,
    assert_resumes,
)

sandboxed = pytest.mark.asyncio(loop_scope="session")

PLAIN = 'return (await self.custom_code_generate(problem=problem, entry_point=entry_point{}))["response"]'
CAREFUL = completion(PLAIN.format(", instruction=prompt_custom.A"), 'A = "Be careful."', "be careful")
BROKEN = completion("return await self.no_such(problem=problem)", modification="break it")
WORSE = completion('raise ValueError("no")', modification="make it worse")


def test_mixed_probability_by_hand() -> None:
    # Two candidates a point apart, alpha ln 2: the soft part is 1/3, 2/3.
    first, second = soft_mixed_probabilities([49.0, 50.0], np.log(2), 0.3)
    assert first == pytest.approx(0.15 + 0.7 / 3)
    assert second == pytest.approx(0.15 + 1.4 / 3)
    assert soft_mixed_probabilities([0.0, 0.0, 0.0, 0.0], 0.2, 0.3) == pytest.approx([0.25] * 4)
    with pytest.raises(ValueError, match="no candidates"):
        soft_mixed_probabilities([], 0.2, 0.3)


@pytest.mark.parametrize("seed", range(20))
def test_mixed_probability_as_numpy_has_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0, 100, rng.integers(1, 9))
    soft = np.exp(0.2 * (scores - scores.max()))
    wanted = 0.3 / len(scores) + 0.7 * soft / soft.sum()
    got = soft_mixed_probabilities(list(scores), 0.2, 0.3)
    assert got == pytest.approx(wanted)
    assert sum(got) == pytest.approx(1.0)


def test_round_1_is_always_a_candidate_and_failed_rounds_never() -> None:
    means = {1: 0.1, 2: 0.9, 3: None, 4: 0.9, 5: 0.95, 6: 0.2}
    assert candidates(means, 4) == [1, 5, 2, 4]
    assert candidates(means, 2) == candidates(means, 1) == [1, 5]  # as in the release
    assert candidates({1: 0.5}, 4) == [1]


def test_parents_are_drawn_as_often_as_their_probability_says() -> None:
    means = {1: 0.5, 2: 0.55, 3: 0.6}
    wanted = soft_mixed_probabilities([50, 55, 60], 0.2, 0.3)
    draws = [choose_parent(means, sample=4, alpha=0.2, mix=0.3, seed=s) for s in range(4000)]
    order = [1, 3, 2]  # candidates: round 1, then the best
    assert [draws.count(r) / 4000 for r in sorted(order)] == pytest.approx(wanted, abs=0.03)
    assert draws[:50] == [choose_parent(means, sample=4, alpha=0.2, mix=0.3, seed=s) for s in range(50)]


def numpy_converged(rounds: Sequence[Sequence[float]], z: float, top: int = 3, wanted: int = 5) -> bool:
    means = np.array([np.mean(r) for r in rounds])
    stds = np.array([np.std(r) for r in rounds])
    if len(means) <= top:
        return False
    ys, sigmas = [], []
    for t in range(1, len(means) + 1):
        best = np.argsort(-means[:t], kind="stable")[:top]
        ys.append(means[best].mean())
        sigmas.append(np.sqrt((stds[best] ** 2).sum() / top**2))
    still = [
        abs(b - a) <= z * np.hypot(s, r) for a, b, s, r in zip(ys, ys[1:], sigmas, sigmas[1:], strict=False)
    ]
    return any(all(still[i : i + wanted]) for i in range(len(still) - wanted + 1))


def test_convergence_by_hand() -> None:
    flat = [[0.5], [0.6], [0.7], *([[0.1]] * 5)]
    assert converged(flat)
    assert not converged(flat[:-1])
    assert not converged([*flat[:-1], [0.9]])
    assert not converged([])
    assert not converged([[], [], [], [], []])
    assert not converged([[0.5]] * 3)


@pytest.mark.parametrize("seed", range(60))
def test_convergence_as_numpy_has_it(seed: int) -> None:
    rng = random.Random(seed)
    rounds = [[rng.choice([0.4, 0.5, 0.6]) for _ in range(3)] for _ in range(rng.randint(1, 16))]
    for z in (0.0, 0.5, 1.96):
        assert converged(rounds, z=z) is bool(numpy_converged(rounds, z))


def test_a_tie_is_no_failure() -> None:
    assert Tried(2, "", 0.5, 0.6).success is True
    assert Tried(2, "", 0.5, 0.4).success is False
    assert Tried(2, "", 0.5, 0.5).success is None
    assert Tried(2, "", 0.5, None).success is None


def test_the_log_holds_wrong_answers_and_no_reference() -> None:
    def trial(score: float | None, status: str = "failed") -> Trial:
        return Trial("r", "p", 1, status, score, "an answer", None, 0, 0, 0.0)

    log = mistakes_of([trial(1.0, "passed"), trial(0.5), trial(None, "infra"), trial(None, "budget")])
    assert [m["why"] for m in log] == ["the answer is wrong (score 0.50)", "the answer is wrong (score 0.00)"]
    assert set(log[0]) == {"problem_id", "answer", "why"}


def config(rounds: int = 3, **options: object) -> RunConfig:
    chosen = {"rounds": rounds, "validation_rounds": 1, **options}
    return RunConfig(variant="aflow", repeats=1, operators=AFLOW_CODE, options=chosen)


def script(*replies: str):
    """Replies in order of the rounds; a repair turn gets what its round got."""
    counts: list[int] = []

    def answer(messages: Sequence[Message], _: object) -> str:
        if len(messages) == 2:
            counts.append(1)
        return replies[min(len(counts), len(replies)) - 1]

    return answer


@sandboxed
async def test_finds_the_best_and_solves_with_it_not_with_round_1(sandbox: Pool) -> None:
    lab = Lab(sandbox, script(CAREFUL, BROKEN, WORSE), config=config())
    found = await lab.search()
    assert [r["after"] for r in found["rounds"]] == [0.0, 1.0, None, 0.0]
    assert [r["success"] for r in found["rounds"]] == [None, True, None, found["rounds"][3]["success"]]
    assert found["round"] == 2
    assert found["val_score"] == 1.0
    rounds = [e for e in lab.events if isinstance(e, RoundFinished)]
    assert [r.score for r in rounds] == [0.0, 1.0, None, 0.0]
    assert [e.round for e in lab.events if isinstance(e, RoundStarted)] == [1, 2, 3, 4]
    assert "no_such" in rounds[2].feedback
    assert len([e for e in lab.events if isinstance(e, WorkflowProposed)]) == 5
    end = await lab.solve(PROBLEMS[0], found)
    assert (end.status, end.score, end.workflow_id) == ("passed", 1.0, found["workflow_id"])
    assert end.val_score == 1.0


@sandboxed
async def test_no_hidden_test_and_no_reference_reaches_a_model(sandbox: Pool) -> None:
    lab = Lab(sandbox, script(WORSE, CAREFUL), config=config(2, validation_rounds=2))
    await lab.search()
    assert "Problems it did not solve" in lab.seen
    assert "adds 1 to x" in lab.seen
    assert SECRET not in lab.seen
    calls = [e for e in lab.trial_events if isinstance(e, ModelCallStarted)]
    assert calls
    assert all(SECRET not in str(e.messages) for e in calls)


@sandboxed
async def test_earlier_changes_are_told_with_their_scores(sandbox: Pool) -> None:
    lab = Lab(sandbox, script(WORSE, BROKEN, CAREFUL), config=config(3, sample=1))
    await lab.search()
    last = lab.services.meta_agent.calls[-1][-1]["content"]  # type: ignore[attr-defined]
    assert "- no different (0.0000 → 0.0000): make it worse" in last
    assert "- did not run: break it" in last


@sandboxed
async def test_validations_are_averaged(sandbox: Pool) -> None:
    lab = Lab(sandbox, CAREFUL, config=config(1, validation_rounds=3))
    found = await lab.search()
    assert found["val_score"] == 1.0
    assert sorted({k[2] for k in lab.trials if k[0] == "round-2"}) == [1, 2, 3]


@sandboxed
async def test_a_repeated_change_is_asked_again_only_so_often(sandbox: Pool) -> None:
    lab = Lab(sandbox, CAREFUL, config=config(2, duplicate_retries=2, sample=1))
    found = await lab.search()
    assert [r["after"] for r in found["rounds"]] == [0.0, 1.0, None]
    assert "repeats an earlier round" in found["rounds"][2]["error"]
    assert len(lab.services.meta_agent.calls) == 1 + 3  # type: ignore[attr-defined]
    assert len({k[0] for k in lab.trials}) == 2
    asked = lab.services.meta_agent.calls[-1][-1]["content"]  # type: ignore[attr-defined]
    assert "is that of round 2 again" in asked


@sandboxed
async def test_stops_when_the_best_rounds_stop_changing(sandbox: Pool) -> None:
    number = iter(range(100))

    def another(*_: object) -> str:
        return completion(f'return "{next(number)}"', modification=str(next(number)))

    lab = Lab(sandbox, another, config=config(20, consecutive=3, top=1))
    found = await lab.search()
    assert len(found["rounds"]) == 4
    assert any("AFlow stops" in e.text for e in lab.events if isinstance(e, Notice))
    on = Lab(sandbox, another, config=config(6, consecutive=3, top=1, check_convergence=False))
    assert len((await on.search())["rounds"]) == 7


@sandboxed
@pytest.mark.parametrize(
    "reply", ["", "I cannot.", BROKEN, "\x00" * 50], ids=["empty", "prose", "bad", "NUL"]
)
async def test_a_meta_agent_that_writes_only_garbage_ends_the_search(sandbox: Pool, reply: str) -> None:
    lab = Lab(sandbox, reply, config=config(20))
    message = await lab.failing_search()
    assert "meta wrote no workflow that can run in 5 rounds" in message
    assert lab.calls[0] == 10
    never = Lab(sandbox, reply, config=config(6, give_up_after=0))
    found = await never.search()
    assert (found["round"], len(found["rounds"])) == (1, 7)


@sandboxed
async def test_a_set_without_a_plain_operator_is_refused_before_anything_is_spent(sandbox: Pool) -> None:
    lab = Lab(sandbox, CAREFUL, config=RunConfig(variant="aflow", operators=METAFLOW))
    assert "the operator set metaflow cannot run AFlow's first" in await lab.failing_search()
    assert lab.calls == (0, 0)


@sandboxed
async def test_stopped_at_any_step_it_resumes_and_asks_nothing_twice(sandbox: Pool) -> None:
    await assert_resumes(lambda: Lab(sandbox, script(WORSE, BROKEN, CAREFUL), config=config()))


@sandboxed
async def test_stopped_between_trials_it_runs_only_the_rest(sandbox: Pool) -> None:
    whole = Lab(sandbox, script(CAREFUL), config=config(1))
    wanted = await whole.search()
    lab = Lab(sandbox, script(CAREFUL), config=config(1), fail_after=3)
    with pytest.raises(Interrupted):
        await lab.search()
    assert await lab.search() == wanted
    assert lab.calls == whole.calls


@sandboxed
async def test_alone_it_says_how_it_is_used(sandbox: Pool) -> None:
    lab = Lab(sandbox, CAREFUL, config=config())
    end = await lab.solve(PROBLEMS[0], None)
    assert end.status == "failed"
    assert "flowreasoner bench" in (end.error or "")
    assert load_variant("aflow").options.model_fields["alpha"].default == 0.2
