"""ScoreFlow's arithmetic: which workflows to prefer over which, how often, and the loss to train on.

ScoreFlow: Mastering LLM Agent Workflows via Score-based Preference Optimization (Wang et al., 2025; arXiv
2502.04306), Sections 3.2 and 3.3, and its release. Pure functions, but for writing the rows.
"""

from __future__ import annotations

import ast
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from typing import Any, TypedDict

from engine.guest.syntax import parsed
from engine.problems import Kind

# The release's limits of SequenceMatcher's ratio to the example in the prompt; above 1 it is off.
SIMILARITY: dict[Kind, float] = {"code": 1.1, "math": 0.75, "qa": 0.75, "open": 0.75}
GSM8K_SIMILARITY = 0.8


class Scored(TypedDict):
    """A workflow with its mean score in [0, 1]. `workflow` is the generator's reply, unchanged."""

    problem_id: str
    workflow: str
    score: float


def pair_up(scored: Sequence[Scored]) -> list[tuple[int, int]]:
    """(winner, loser) indices of all pairs of workflows for the same problem with s_w > s_l."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(scored):
        groups[one["problem_id"]].append(index)
    return [
        (winner, loser)
        for group in groups.values()
        for winner in group
        for loser in group
        if scored[winner]["score"] > scored[loser]["score"]
    ]


def pair_weight(s_w: float, s_l: float) -> float:
    """d(s_w, s_l) = (s_w - s_l)^3, to which the probability of a pair is proportional (as in the release)."""
    return (s_w - s_l) ** 3


def sample_pairs(
    scored: Sequence[Scored], pairs: Sequence[tuple[int, int]], count: int, seed: int
) -> Counter[tuple[int, int]]:
    """How often each pair is drawn in `count` draws with replacement; empty where there are no pairs."""
    if not pairs:
        return Counter()
    weights = [pair_weight(scored[w]["score"], scored[r]["score"]) for w, r in pairs]
    return Counter(Random(seed).choices(pairs, weights=weights, k=count))


def score_dpo_loss(
    log_ratio_w: Sequence[float],
    log_ratio_l: Sequence[float],
    s_w: Sequence[float],
    s_l: Sequence[float],
    beta: float = 0.1,
) -> float:
    """Score-DPO: L = -mean log sigma(beta * (s_w * r_w - (1 - s_l) * r_l)).

    r_w and r_l are log pi(y|x) - log pi_ref(y|x) of the preferred and the other workflow, in nats; the scores
    are in [0, 1], and f, which the paper applies to them, is the identity. With s_w = 1 and s_l = 0 it is
    DPO's loss. Raises ValueError where the lengths differ or there are no pairs.
    """
    terms = [
        _softplus(-beta * (sw * rw - (1 - sl) * rl))
        for rw, rl, sw, sl in zip(log_ratio_w, log_ratio_l, s_w, s_l, strict=True)
    ]
    if not terms:
        raise ValueError("there are no pairs to take the loss of")
    return sum(terms) / len(terms)


def _softplus(x: float) -> float:
    """log(1 + e^x) = -log sigma(-x), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def similarity_limit(kind: Kind, task: str) -> float:
    """The similarity to the example from which on a workflow is refused (the release's `sim_threshold`);
    above 1 it is never refused.
    """
    return GSM8K_SIMILARITY if "gsm8k" in task.lower() else SIMILARITY[kind]


def similarity(code: str, example: str, at_least: float = 0.0) -> float:
    """SequenceMatcher's ratio between the bodies of two workflows, in [0, 1].

    Where their lengths alone keep it below `at_least`, it is not computed, and 0 is returned.
    """
    matcher = SequenceMatcher(None, _body(example), _body(code), autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= at_least else 0.0


def _body(code: str) -> str:
    """The body of `__call__`, without its formatting and comments; the whole text where there is none."""
    tree = parsed(code)
    if tree is None:
        return code
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "__call__":
            return "\n".join(ast.unparse(statement) for statement in node.body)
    return code


def preference_rows(pairs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The drawn pairs as rows of a conversational preference data set, each as often as it was drawn.

    `pairs` is the search's record under "pairs". A row is {prompt, chosen, rejected, score_chosen,
    score_rejected, problem_id}; the first three are lists of messages.
    """
    for pair in pairs["pairs"]:
        winner, loser = pairs["workflows"][pair["chosen"]], pairs["workflows"][pair["rejected"]]
        row = {
            "prompt": pairs["prompts"][winner["problem_id"]],
            "chosen": [{"role": "assistant", "content": winner["workflow"]}],
            "rejected": [{"role": "assistant", "content": loser["workflow"]}],
            "score_chosen": winner["score"],
            "score_rejected": loser["score"],
            "problem_id": winner["problem_id"],
        }
        for _ in range(pair["count"]):
            yield row


def write_preferences(pairs: Mapping[str, Any], path: Path) -> int:
    """Write `preference_rows` as JSON lines to a new file; returns their number. Raises OSError where the
    file exists or cannot be written.
    """
    written = 0
    with path.open("x", encoding="utf-8") as file:
        for row in preference_rows(pairs):
            file.write(json.dumps(row) + "\n")
            written += 1
    return written
