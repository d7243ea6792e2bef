"""What is measured of a trial, and what a side comes to.

A trial counts once its run ended by itself (`store.trial_columns.TrialColumns.is_done`). Errors and spent
budgets are failures: they stay in every denominator. What the sandbox or a model failed, and what has not
been tried yet, is no verdict and in none.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.experiments.keys import DONE
from engine.scores.metrics import pass_at_k
from engine.scores.statistics import Interval, pass_rate_interval
from store.compare.replies import Share, shares
from store.trial_columns import TrialColumns
from store.trial_rows import operators_in

if TYPE_CHECKING:
    import numpy as np

    from store.compare.problems import ByProblem
    from store.compare.sides import Side

Unit = Literal["share", "usd", "count", "ms"]
KS = (1, 2, 3, 5, 10, 20, 50, 100)
_WHOLE = 2.0**53  # whole numbers up to here are floats, and so are their sums


@dataclass(frozen=True)
class Measure:
    """A number of each done trial, NaN where it has none. `better` is the good end, None for neither.

    Units: a share is 0 to 1, "usd" US dollars, "ms" milliseconds.
    """

    key: str
    title: str
    unit: Unit
    better: Literal["high", "low"] | None
    of: Callable[[TrialColumns], np.ndarray]


def has_verdict(trials: TrialColumns) -> np.ndarray:
    """Whether there was something to score each of these done trials by."""
    return ~trials.has("answered")


def _scored(trials: TrialColumns, values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.where(has_verdict(trials), values, math.nan)


def _pass(trials: TrialColumns) -> np.ndarray:
    return _scored(trials, trials.has("passed"))


def _score(trials: TrialColumns) -> np.ndarray:
    import numpy as np

    score = trials["score"]
    return _scored(trials, np.where(np.isnan(score), 0.0, score))


def _strict(trials: TrialColumns) -> np.ndarray:
    return _scored(trials, trials.has("passed") & (trials["ran_as_written"] != 0))


def _drop(trials: TrialColumns) -> np.ndarray:
    return trials["val_score"] - _score(trials)


def _both(what: str) -> Callable[[TrialColumns], np.ndarray]:
    """What the meta-agent and the workers used together."""
    return lambda trials: trials[f"meta_{what}"] + trials[f"worker_{what}"]


def _tokens(role: str) -> Callable[[TrialColumns], np.ndarray]:
    return lambda trials: trials[f"{role}_tokens_in"] + trials[f"{role}_tokens_out"]


def _all_tokens(trials: TrialColumns) -> np.ndarray:
    return _tokens("meta")(trials) + _tokens("worker")(trials)


MEASURES = (
    Measure("pass_rate", "pass rate", "share", "high", _pass),
    Measure("score", "mean score", "share", "high", _score),
    Measure("strict_pass_rate", "pass rate, strict", "share", "high", _strict),
    Measure("val_score", "val score", "share", "high", itemgetter("val_score")),
    Measure("val_to_test_drop", "val-to-test drop", "share", "low", _drop),
    Measure("cost_usd", "cost", "usd", "low", _both("cost_usd")),
    Measure("meta_cost_usd", "cost, meta-agent", "usd", "low", itemgetter("meta_cost_usd")),
    Measure("worker_cost_usd", "cost, workers", "usd", "low", itemgetter("worker_cost_usd")),
    Measure("tokens", "tokens", "count", "low", _all_tokens),
    Measure("meta_tokens", "tokens, meta-agent", "count", "low", _tokens("meta")),
    Measure("worker_tokens", "tokens, workers", "count", "low", _tokens("worker")),
    Measure("wall_ms", "time", "ms", "low", itemgetter("wall_ms")),
    Measure("meta_latency_ms", "time, meta-agent", "ms", "low", itemgetter("meta_latency_ms")),
    Measure("worker_latency_ms", "time, workers", "ms", "low", itemgetter("worker_latency_ms")),
    Measure("model_calls", "model calls", "count", "low", _both("calls")),
    Measure("steps", "operator calls", "count", None, attrgetter("calls")),
    Measure("complexity", "complexity", "count", "low", itemgetter("complexity")),
)
BY_KEY = {measure.key: measure for measure in MEASURES}


class Mean(NamedTuple):
    """A mean over `known` trials; the others have no such value."""

    value: float
    known: int


@dataclass(frozen=True)
class Counts:
    """Trials by how they ended. `running` are under way; `no_verdict` were tried, but neither passed nor
    failed; `todo` were not tried.
    """

    planned: int
    done: int
    passed: int
    failed: int
    errors: int
    budget: int
    answered: int
    no_verdict: int
    todo: int
    repaired: int
    running: int

    @property
    def unfinished(self) -> int:
        return self.planned - self.done


@dataclass(frozen=True)
class Summary:
    """One side by itself. `means` are per trial, by `Measure.key`; `operators` are calls per trial, by name;
    `shares` are of the meta-agent's replies (`store.compare.replies`).

    `interval` is that of the pass rate; `pass_at` is pass@k by k, over the problems, for each k that all of
    them have trials for. `cost_per_pass` is in US dollars. `by_benchmark` is the pass rate of each benchmark,
    where there are several: `macro` is their mean, while the pass rate of all trials is the micro-average.
    """

    counts: Counts
    problems: int
    interval: Interval | None
    means: dict[str, Mean]
    pass_at: dict[int, float]
    cost_per_pass: float | None
    ms_per_pass: float | None
    workflows: int
    operators: dict[str, float]
    by_benchmark: dict[str, float]
    macro: float | None
    shares: dict[str, Share]


def summarise(side: Side, problems: ByProblem) -> Summary:
    """What a side comes to by itself: counts, means, pass rates and what one solved problem cost. `problems`
    has its done trials.
    """
    done, verdict = problems.trials, has_verdict(problems.trials)
    tried, passed = problems.count(verdict), problems.count(verdict & done.has("passed"))
    is_scored = tried > 0
    means = {m.key: found for m in MEASURES if (found := mean(m.of(done))) is not None}
    passes = int(passed.sum())
    # What it takes to have one more problem solved: what failed is paid for as well.
    cost, wall = means.get("cost_usd"), means.get("wall_ms")
    is_priced = cost is not None and cost.known == len(done)
    rates = dict(_by_benchmark(problems, passed, tried)) if _benchmarks(side) > 1 else {}
    return Summary(
        _counts(side),
        len(problems.keys),
        pass_rate_interval(passed[is_scored], tried[is_scored]),
        means,
        _pass_at(passed[is_scored].tolist(), tried[is_scored].tolist()),
        cost.value * cost.known / passes if cost and is_priced and passes else None,
        wall.value * wall.known / passes if wall and passes else None,
        len({done.workflows[place] for place in set(done.workflow.tolist()) if place >= 0}),
        _operators(side, len(done)),
        rates,
        statistics.fmean(rates.values()) if rates else None,
        shares(part.replies for part in side.parts),
    )


def mean(values: np.ndarray) -> Mean | None:
    """The mean of those that are not NaN, rounded once; None where all are."""
    import numpy as np

    known = values[~np.isnan(values)]
    if not len(known):
        return None
    # The sum of whole numbers is exact in any order, and so is not worth the care that others take.
    is_whole = bool((known == np.trunc(known)).all()) and float(np.abs(known).sum()) < _WHOLE
    total = float(known.sum()) if is_whole else math.fsum(known.tolist())
    return Mean(total / len(known), len(known))


def _counts(side: Side) -> Counts:
    trials = [part.trials for part in side.parts]

    def count(*statuses: str) -> int:
        return sum(int(of_part.has(*statuses).sum()) for of_part in trials)

    attempted, done, running = sum(map(len, trials)), count(*DONE), count("running")
    planned = sum(part.planned for part in side.parts)
    return Counts(
        planned,
        done,
        count("passed"),
        count("failed"),
        count("error"),
        count("budget"),
        count("answered"),
        attempted - done - running,
        max(planned - attempted, 0),
        sum(int((t.is_done & (t["ran_as_written"] == 0)).sum()) for t in trials),
        running,
    )


def _pass_at(passed: Sequence[int], tried: Sequence[int]) -> dict[int, float]:
    """Unbiased pass@k, averaged over the problems, for each k that every problem has trials for."""
    fewest = min(tried, default=0)
    if fewest < 2:
        return {}
    ks = sorted({k for k in KS if k <= fewest} | {fewest})
    pairs = list(zip(tried, passed, strict=True))
    return {
        k: statistics.fmean(map({p: pass_at_k(*p, k) for p in set(pairs)}.__getitem__, pairs)) for k in ks
    }


def _operators(side: Side, done: int) -> dict[str, float]:
    """Calls per done trial by operator, the most first."""
    import numpy as np

    used: Counter[str] = Counter()
    for part in side.parts:
        steps = part.trials.steps[part.trials.is_done]
        kinds, first, trials = np.unique(steps, return_index=True, return_counts=True)
        for place in np.argsort(first).tolist():
            calls = operators_in(part.trials.kinds[kinds[place]])
            used.update({name: count * int(trials[place]) for name, count in calls.items()})
    return {name: count / done for name, count in used.most_common()}


def _benchmarks(side: Side) -> int:
    return len({part.benchmark for part in side.parts})


def _by_benchmark(problems: ByProblem, passed: np.ndarray, tried: np.ndarray) -> Iterator[tuple[str, float]]:
    """The pass rate of each benchmark that has scored trials."""
    import numpy as np

    names = np.array([benchmark for benchmark, _ in problems.keys], object)
    for name in dict.fromkeys(names[tried > 0]):
        of_name = names == name
        yield name, int(passed[of_name].sum()) / int(tried[of_name].sum())
