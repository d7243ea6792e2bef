"""ADAS's archive: agents and their fitness, beginning with seven, to which every generation is added.

Automated Design of Agentic Systems (Hu et al., 2024; arXiv 2408.08435), Section 3 and its release.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from random import Random

from engine.formats.thinking import strip_thinking
from engine.json_objects import last_object

# File → name, in the order of the release.
SEEDS = {
    "chain_of_thought.py": "Chain-of-Thought",
    "self_consistency.py": "Self-Consistency with Chain-of-Thought",
    "reflexion.py": "Self-Refine (Reflexion)",
    "debate.py": "LLM Debate",
    "step_back.py": "Step-back Abstraction",
    "quality_diversity.py": "Quality-Diversity",
    "role_assignment.py": "Dynamic Assignment of Roles",
}
_MAX_REPLY = 200_000  # characters of a reply that are searched for JSON


@dataclass(frozen=True)
class Draft:
    """An agent as the meta-agent writes it: the reasoning behind it, its name, its code."""

    thought: str
    name: str
    code: str


@dataclass(frozen=True)
class Fitness:
    """Bootstrapped mean score, all in [0, 1]: the 95 % interval and the median of the resampled means."""

    low: float
    high: float
    median: float

    def __str__(self) -> str:
        low, high, median = (f"{100 * v:.1f}%" for v in (self.low, self.high, self.median))
        return f"95% bootstrap confidence interval ({low}, {high}), median {median}"


def seed_drafts() -> list[Draft]:
    """The seven agents of the release's initial archive, in our own words and code."""
    folder = files("engine.variants") / "files" / "adas"
    drafts = []
    for name, title in SEEDS.items():
        source = (folder / name).read_text(encoding="utf-8")
        thought = " ".join((ast.get_docstring(ast.parse(source)) or "").split())
        drafts.append(Draft(thought, title, source[source.index("def forward") :].strip()))
    return drafts


def fitness(scores: Sequence[float], *, resamples: int = 100_000, seed: int = 0) -> Fitness:
    """The percentile bootstrap of the mean, as the release computes it (`bootstrap_confidence_interval`).

    `resamples` samples of len(scores) are drawn with replacement; the result is the 2.5th, 97.5th and 50th
    percentile of their means, linearly interpolated. `scores` are in [0, 1]. Raises ValueError without
    scores.
    """
    if not scores:
        raise ValueError("there are no scores to resample")
    if min(scores) == max(scores):
        return Fitness(scores[0], scores[0], scores[0])
    random, n = Random(seed), len(scores)
    means = sorted(sum(random.choices(scores, k=n)) / n for _ in range(resamples))
    return Fitness(_percentile(means, 2.5), _percentile(means, 97.5), _percentile(means, 50.0))


def _percentile(ordered: Sequence[float], percent: float) -> float:
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def read_draft(reply: str) -> Draft | str:
    """The draft in a reply, from its last JSON object with code in it; or a text that says why there is
    none.
    """
    data = last_object(strip_thinking(reply[-_MAX_REPLY:]), "code")
    if data is None:
        return 'the reply holds no JSON object with the keys "thought", "name" and "code"'
    code = data.get("code")
    if not isinstance(code, str) or not code.strip():
        return '"code" is not the source of a function'
    name, thought = data.get("name"), data.get("thought")
    return Draft(
        thought if isinstance(thought, str) else "",
        name.strip() if isinstance(name, str) and name.strip() else "unnamed",
        code,
    )
