"""What a rollout is rewarded with, round by round; every way to end has a stated reward.

FlowReasoner rewards pass rate, AST complexity and diversity, and publishes no weights, signs or formula. What
is here is our reading: pass rate, less complexity, plus distinctness.

| what happened | reward |
|---|---|
| a round whose workflow ran | `RewardSettings` over its score on `val` |
| an execution that timed out or reached its limits | it scored 0 in the round's mean |
| a first reply that could not run | `invalid`, for that reply alone |
| its repair turn | the round's: of the workflow, where it can run, else `invalid` |
| a round that the run's budget cut short | `cut` |
| the sandbox or a model failed, or the run was cancelled | none: the rollout is dropped and counted |
| tokens of it are from weights that are too old | none, too |
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.source import parse
from engine.workflows.skeleton import skeleton
from engine.workflows.tree import self_attribute
from training.rollouts.rollouts import InstanceOutcome, Rollout, RoundOutcome

NO_VERDICT = ("infra", "error", "cancelled", "interrupted")
_NONE = math.nan  # a round that was not played


@dataclass(frozen=True)
class RewardSettings:
    """Weights of the parts of a round's reward, and the rewards of what is no workflow that ran.

    `complexity` is taken off in full at `complexity_full` (`engine.workflows.complexity`: operator calls,
    branches and loops), below that in proportion. `distinctness` is what a round earns whose workflow is
    another: `distinct_form` "ratio" is the share of different workflows so far, "new" whether this one is.
    Two are the same by `distinct_by`: "tree", their syntax tree without names, texts and numbers;
    "operators", the operators they call in order; or "workflow", all of it. `invalid` should be below what
    the worst workflow that runs earns, so that writing none never pays.
    """

    pass_rate: float = 1.0
    complexity: float = 0.1
    complexity_full: int = 10
    distinctness: float = 0.1
    distinct_by: Literal["tree", "operators", "workflow"] = "tree"
    distinct_form: Literal["ratio", "new"] = "ratio"
    invalid: float = -0.5
    cut: float = 0.0


@dataclass(frozen=True)
class Reward:
    """A rollout's rewards by round, NaN where none was played.

    All are NaN where the rollout is `dropped`, which says why in a few words, else "". `words` say for each
    round what it was rewarded for. `is_stale` tells those that were dropped for the age of their weights.
    """

    rounds: tuple[float, ...]
    words: tuple[str, ...]
    dropped: str = ""
    is_stale: bool = False


def reward(rollout: Rollout, rounds: int, settings: RewardSettings = RewardSettings()) -> Reward:
    """The rewards of a rollout of at most `rounds` rounds; one for each, played or not."""
    none = (_NONE,) * rounds
    if rollout.status in NO_VERDICT:
        return Reward(none, (), f"{rollout.status}: {rollout.error}")
    if any(one.valid and one.score is None for one in rollout.rounds):
        why = "no instance has a verdict" if rollout.instances else "the problem has no val tests"
        return Reward(none, (), f"its workflow could not be scored: {why}")
    values, words = list(none), []
    shapes: list[str] = []
    for outcome in rollout.rounds[:rounds]:
        value, reason = _round(outcome, shapes, settings)
        values[outcome.number - 1] = value
        words.append(f"round {outcome.number}: {reason}")
    cut = len(rollout.rounds) + 1
    if rollout.status == "budget" and cut <= rounds:
        values[cut - 1] = settings.cut
        words.append(f"round {cut}: cut short by the run's budget")
    return Reward(tuple(values), tuple(words))


def stale(given: Reward, steps: int) -> Reward:
    """The reward of a rollout with tokens from weights that are too many `steps` old: none."""
    age = "1 step" if steps == 1 else f"{steps} steps"
    return Reward((_NONE,) * len(given.rounds), (), f"its weights are {age} old", is_stale=True)


def pass_share(instances: Sequence[InstanceOutcome]) -> float | None:
    """MetaFlow's reward of a workflow: of the instances with a verdict, the share solved in full, 0 to 1.

    None where none has a verdict: a failure of the sandbox or of an endpoint is never a 0.
    """
    scores = [instance.score for instance in instances if instance.score is not None]
    return sum(score == 1.0 for score in scores) / len(scores) if scores else None


def operators(code: str) -> tuple[str, ...]:
    """The operators that the source calls on `self`, in the order of the text."""
    tree = parse(code).tree
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    calls_in_text = [
        (node.lineno, node.col_offset, name)
        for node in calls
        if (name := self_attribute(node.func)) is not None
    ]
    return tuple(name for _, _, name in sorted(calls_in_text))


def _round(outcome: RoundOutcome, shapes: list[str], settings: RewardSettings) -> tuple[float, str]:
    """A round's reward and what for; `shapes` are those of the rounds before, and take this one's."""
    if not outcome.valid:
        return settings.invalid, "no workflow that can run"
    score = outcome.score or 0.0
    mine = _identity(outcome, settings)
    is_new = mine not in shapes
    shapes.append(mine)
    ratio = len(set(shapes)) / len(shapes)
    distinct = ratio if settings.distinct_form == "ratio" else float(is_new)
    complex_ = min(1.0, outcome.complexity / settings.complexity_full)
    value = settings.pass_rate * score - settings.complexity * complex_ + settings.distinctness * distinct
    return value, f"pass rate {score:.2f}, complexity {outcome.complexity}, distinct {distinct:.2f}"


def _identity(outcome: RoundOutcome, settings: RewardSettings) -> str:
    match settings.distinct_by:
        case "tree":
            return skeleton(outcome.code)
        case "operators":
            return " ".join(operators(outcome.code))
        case "workflow":
            return outcome.workflow_id or outcome.code
