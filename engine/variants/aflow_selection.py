"""AFlow's arithmetic: which round to continue from, and when to stop. Pure functions.

AFlow: Automating Agentic Workflow Generation (Zhang et al., 2024; arXiv 2410.10762), Section 3 and its
release. Rounds without a score are left out everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

from engine.variants.trials import std


def soft_mixed_probabilities(scores: Sequence[float], alpha: float, mix: float) -> list[float]:
    """The probability of continuing from each of n candidates; `scores` are in percent.

    P(i) = mix / n + (1 - mix) * exp(alpha * (s_i - s_max)) / sum_j exp(alpha * (s_j - s_max)): the
    soft mixed probability of the paper's Section 3.3, `mix` being its lambda. Raises ValueError
    without candidates.
    """
    if not scores:
        raise ValueError("there are no candidates to choose from")
    top = max(scores)
    weights = [math.exp(alpha * (s - top)) for s in scores]
    total = sum(weights)
    return [mix / len(scores) + (1 - mix) * w / total for w in weights]


def candidates(means: Mapping[int, float | None], sample: int) -> list[int]:
    """The rounds to choose from: round 1, which keeps the search from getting stuck, and the best of the
    others.

    `means` maps rounds to their mean scores. At most `sample` rounds, but as in the release one besides round
    1 whatever `sample` is, or nothing would ever come of the others. Of equals the earlier is taken.
    """
    scored = {r: s for r, s in means.items() if s is not None}
    best = sorted((r for r in scored if r != 1), key=lambda r: (-scored[r], r))
    first = [1] if 1 in scored else []
    return first + best[: max(1, sample - len(first))]


def choose_parent(
    means: Mapping[int, float | None], *, sample: int, alpha: float, mix: float, seed: int
) -> int:
    """The round to change next; `means` are in [0, 1]. The same seed gives the same round. Raises ValueError
    where no round has a score.
    """
    among = candidates(means, sample)
    percent = [100.0 * (means[r] or 0.0) for r in among]
    return Random(seed).choices(among, weights=soft_mixed_probabilities(percent, alpha, mix))[0]


def converged(
    rounds: Sequence[Sequence[float]], *, top: int = 3, z: float = 0.0, consecutive: int = 5
) -> bool:
    """Whether the best rounds have stopped changing. `rounds` holds each round's scores, in order.

    Y_t is the mean of the `top` highest round means up to t, and sigma_t = sqrt(sum of their variances)
    / top. It has converged when |Y_t - Y_(t-1)| <= z * sqrt(sigma_t^2 + sigma_(t-1)^2) held for
    `consecutive` rounds in a row (AFlow's release). With fewer than `top` + 1 rounds it has not.
    """
    measured = [(sum(scores) / len(scores), std(scores)) for scores in rounds if scores]
    if len(measured) < top + 1:
        return False
    run, before = 0, (0.0, 0.0)
    for t in range(len(measured)):
        best = sorted(measured[: t + 1], key=lambda m: -m[0])[:top]
        now = (sum(m for m, _ in best) / len(best), math.sqrt(sum(s * s for _, s in best)) / top)
        if t:
            still = abs(now[0] - before[0]) <= z * math.hypot(now[1], before[1])
            run = run + 1 if still else 0
            if run >= consecutive:
                return True
        before = now
    return False
