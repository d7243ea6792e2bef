"""Numbers of a step's rollouts that show a policy collapse before its reward does."""

from __future__ import annotations

from collections.abc import Sequence

from engine.workflows.skeleton import same_share, skeleton
from training.rollouts.rewards import Reward
from training.rollouts.rollouts import Rollout


def counters(rollouts: Sequence[Rollout], rewards: Sequence[Reward]) -> dict[str, float | None]:
    """By name, shares from 0 to 1; None where there is nothing to take a share of.

    - `valid_share`: of all replies, those that gave a workflow that can run
    - `same_workflow_share`: of the step's workflows, those that another one equals but for names, texts and
      numbers (1 - different / all)
    - `empty_thinking_share`: of all replies, those that reasoned nothing before they answered
    - `completion_tokens`: mean length of a reply
    - `dropped_rollouts`: how many have no reward, because a sandbox or a model failed, or because they are
      among the `stale_rollouts`, whose weights were too old

    Of workflows that are run on instances of a task there are also:

    - `wrong_share`: of the instances with a verdict, those that were not solved
    - `masked_instances`: how many have no verdict, because a sandbox or a model failed
    """
    calls = [call for rollout in rollouts for call in rollout.calls]
    looked_at = [call for call in calls if call.valid is not None]
    shapes = [skeleton(one.code) for rollout in rollouts for one in rollout.rounds if one.valid]
    scores = [instance.score for rollout in rollouts for instance in rollout.instances]
    judged = [float(score < 1.0) for score in scores if score is not None]
    served = any(call.version is not None for call in calls)
    of_instances = {"wrong_share": _mean(judged), "masked_instances": float(scores.count(None))}
    return {
        **(of_instances if scores else {}),
        "valid_share": _mean([float(bool(call.valid)) for call in looked_at]),
        "same_workflow_share": same_share(shapes),
        "empty_thinking_share": _mean([float(not call.thought) for call in calls]),
        "completion_tokens": _mean([float(len(call.completion)) for call in calls]),
        "dropped_rollouts": float(sum(bool(reward.dropped) for reward in rewards)),
        **({"stale_rollouts": float(sum(reward.is_stale for reward in rewards))} if served else {}),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
