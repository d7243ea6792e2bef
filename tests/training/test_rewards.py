"""Rewards, worked by hand: every way for a round and a rollout to end has a stated one."""

from __future__ import annotations

import math

import pytest

from engine.run.context import Origin
from engine.workflows.identity import canonical
from engine.workflows.skeleton import skeleton
from training.recipes.kinds import Reward as Section
from training.rollouts.calls import Call
from training.rollouts.counters import counters
from training.rollouts.rewards import Reward, RewardSettings, operators, pass_share, reward
from training.rollouts.rollouts import InstanceOutcome, Rollout, RoundOutcome

NAN = math.nan


def code(body: str) -> str:
    return f"class Workflow:\n    async def __call__(self, problem):\n        {body}\n"


ONE = code('return (await self.custom(input=problem, instruction="a"))["response"]')
SAME = code('return (await self.custom(input=problem, instruction="another text"))["response"]')
OTHER = code("return await self.test(problem=problem)")


def outcome(
    number: int, score: float | None, source: str = ONE, *, complexity: int = 5, valid: bool = True
) -> RoundOutcome:
    return RoundOutcome(number, score, valid, complexity, source if valid else None, source)


def rollout(
    *rounds: RoundOutcome, status: str = "answered", calls: tuple[Call, ...] = (), error: str | None = None
) -> Rollout:
    return Rollout("r", Origin(), status, error, rounds, calls)


def values(given: Reward) -> list[float | None]:
    return [None if math.isnan(v) else round(v, 6) for v in given.rounds]


def test_a_round_earns_pass_rate_less_complexity_plus_distinctness() -> None:
    plain = RewardSettings(pass_rate=1.0, complexity=0.1, complexity_full=10, distinctness=0.1)
    given = reward(rollout(outcome(1, 0.5), outcome(2, 1.0, OTHER, complexity=40)), 4, plain)
    assert values(given) == [0.5 - 0.1 * 0.5 + 0.1, 1.0 - 0.1 + 0.1, None, None]
    assert given.words[0] == "round 1: pass rate 0.50, complexity 5, distinct 1.00"
    only = RewardSettings(pass_rate=2.0, complexity=0.0, distinctness=0.0)
    assert values(reward(rollout(outcome(1, 0.25)), 1, only)) == [0.5]


def test_distinctness_in_its_two_forms() -> None:
    rounds = (outcome(1, 0.0), outcome(2, 0.0, SAME), outcome(3, 0.0, OTHER), outcome(4, 0.0, OTHER))
    bare = {"pass_rate": 1.0, "complexity": 0.0, "distinctness": 1.0}
    ratio = reward(rollout(*rounds), 4, RewardSettings(**bare))  # type: ignore[arg-type]
    assert values(ratio) == [1.0, 0.5, round(2 / 3, 6), 0.5]
    new = reward(rollout(*rounds), 4, RewardSettings(**bare, distinct_form="new"))  # type: ignore[arg-type]
    assert values(new) == [1.0, 0.0, 1.0, 0.0]
    whole = RewardSettings(**bare, distinct_by="workflow", distinct_form="new")  # type: ignore[arg-type]
    assert values(reward(rollout(*rounds), 4, whole)) == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (ONE, SAME, True),
        (ONE, OTHER, False),
        (code("x = 1\n        return x"), code("y = 22\n        return y"), True),
        (code("return f'{problem} a'"), code("return f'{problem} b'"), True),
        (code("return f'{problem} a'"), code("return f'b {problem}'"), False),
        (code("return 1"), code("return 'text'"), False),
        (code("return 1"), code("return 1  # a comment"), True),
        (code("for i in range(3):\n            pass"), code("while True:\n            pass"), False),
        (code("return await self.a()"), code("return await self.b()"), False),
        (code("return await self.a()\n"), code("return await self.a(1)"), False),
        ("not python (", "not python (", True),
        ("not python (", "nor this (", False),
    ],
)
def test_the_shape_of_a_workflow(first: str, second: str, same: bool) -> None:
    before = canonical(first)
    assert (skeleton(first) == skeleton(second)) is same
    assert skeleton(first) == skeleton(first)
    assert canonical(first) == before  # the source is read, not changed


def test_operators_are_read_in_the_order_of_the_text() -> None:
    source = code("a = await self.custom(x)\n        return await self.sc_ensemble([await self.test(a)])")
    assert operators(source) == ("custom", "sc_ensemble", "test")
    assert operators("nonsense (") == ()


def test_a_round_without_a_workflow_is_worth_less_than_the_worst_that_runs() -> None:
    settings = RewardSettings()
    bad = reward(rollout(outcome(1, None, valid=False)), 1, settings)
    worst = reward(rollout(outcome(1, 0.0), outcome(2, 0.0, complexity=1000)), 2, settings)
    assert values(bad) == [settings.invalid]
    assert bad.words == ("round 1: no workflow that can run",)
    assert bad.rounds[0] < min(worst.rounds)


def test_without_settings_the_rewards_are_those_of_a_recipe_that_names_none() -> None:
    section, settings = Section().model_dump(), RewardSettings()
    assert {name: getattr(settings, name) for name in section} == section


def test_the_round_that_the_budget_cut_has_a_reward_and_the_rest_none() -> None:
    given = reward(
        rollout(outcome(1, 1.0), status="budget"), 4, RewardSettings(complexity=0, distinctness=0, cut=-0.5)
    )
    assert values(given) == [1.0, -0.5, None, None]
    assert given.words[1] == "round 2: cut short by the run's budget"
    full = reward(rollout(outcome(1, 1.0), status="budget"), 1)
    assert len(full.rounds) == 1


@pytest.mark.parametrize("status", ["infra", "error", "cancelled", "interrupted"])
def test_what_is_nobodys_doing_is_no_reward_at_all(status: str) -> None:
    given = reward(rollout(outcome(1, 1.0), status=status, error="gone"), 3)
    assert values(given) == [None] * 3
    assert given.dropped == f"{status}: gone"


def test_a_query_without_val_tests_teaches_nothing() -> None:
    given = reward(rollout(outcome(1, None)), 1)
    assert (values(given), "no val tests" in given.dropped) == ([None], True)


def instance(score: float | None) -> InstanceOutcome:
    return InstanceOutcome("r", "p", "answered", score)


@pytest.mark.parametrize(
    ("scores", "share"),
    [
        ([1.0, 0.0, 1.0, 1.0], 0.75),
        ([0.99, 1.0], 0.5),  # solved in full or not
        ([None, 1.0, 0.0], 0.5),  # a failure of the sandbox is in no denominator
        ([0.0], 0.0),
        ([None, None], None),
        ([], None),
    ],
)
def test_the_share_of_instances(scores: list[float | None], share: float | None) -> None:
    assert pass_share([instance(score) for score in scores]) == share


def test_counters_of_a_step() -> None:
    def call(valid: bool | None, thought: bool, tokens: int) -> Call:
        return Call(1, [1], [2] * tokens, [0.0] * tokens, 1.0, "reply", valid, thought)

    found = [
        rollout(outcome(1, 0.0), outcome(2, 0.0, SAME), calls=(call(True, True, 4), call(True, False, 2))),
        rollout(outcome(1, 0.0, OTHER), calls=(call(False, False, 3), call(None, False, 3))),
    ]
    numbers = counters(found, [Reward((1.0,), ()), Reward((NAN,), (), "infra: gone")])
    assert numbers == {
        "valid_share": 2 / 3,
        "same_workflow_share": 1 - 2 / 3,
        "empty_thinking_share": 0.75,
        "completion_tokens": 3.0,
        "dropped_rollouts": 1.0,
    }
    assert counters([], []) == {
        "valid_share": None,
        "same_workflow_share": None,
        "empty_thinking_share": None,
        "completion_tokens": None,
        "dropped_rollouts": 0.0,
    }
