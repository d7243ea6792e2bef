"""What is measured of a trial, and what a side comes to.

A trial counts once its run ended by itself (`store.experiment_reader.TrialRow.is_done`). Errors and spent
budgets are failures: they stay in every denominator. What the sandbox failed, and what has not been tried
yet, is no verdict and in none.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.scores.metrics import pass_at_k
from engine.scores.statistics import Interval, pass_rate_interval
from store.compare.replies import Share, shares
from store.trial_rows import operators_in

if TYPE_CHECKING:
    from store.compare.sides import Side
    from store.experiment_reader import TrialRow

Unit = Literal["share", "usd", "count", "ms"]
Key = tuple[str, str]  # benchmark ("" where there is only one) and problem
KS = (1, 2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Measure:
    """A number that a done trial has, or None. `better` is the good end, None for neither.

    Units: a share is 0 to 1, "usd" US dollars, "ms" milliseconds.
    """

    key: str
    title: str
    unit: Unit
    better: Literal["high", "low"] | None
    of: Callable[[TrialRow], float | None]


def is_scored(trial: TrialRow) -> bool:
    """Whether the trial counts and there was something to score it by."""
    return trial.is_done and _has_verdict(trial)


def _has_verdict(trial: TrialRow) -> bool:
    return trial.status != "answered"


def _pass(trial: TrialRow) -> float | None:
    return float(trial.status == "passed") if _has_verdict(trial) else None


def _score(trial: TrialRow) -> float | None:
    return (trial.score or 0.0) if _has_verdict(trial) else None


def _strict(trial: TrialRow) -> float | None:
    if not _has_verdict(trial):
        return None
    return float(trial.status == "passed" and trial.ran_as_written != 0)


def _drop(trial: TrialRow) -> float | None:
    score = _score(trial)
    return None if score is None or trial.val_score is None else trial.val_score - score


def _cost(trial: TrialRow) -> float | None:
    meta, worker = trial.meta_cost_usd, trial.worker_cost_usd
    return None if meta is None or worker is None else meta + worker


def _tokens(trial: TrialRow) -> float:
    return _meta_tokens(trial) + _worker_tokens(trial)


def _meta_tokens(trial: TrialRow) -> float:
    return trial.meta_tokens_in + trial.meta_tokens_out


def _worker_tokens(trial: TrialRow) -> float:
    return trial.worker_tokens_in + trial.worker_tokens_out


MEASURES = (
    Measure("pass_rate", "pass rate", "share", "high", _pass),
    Measure("score", "mean score", "share", "high", _score),
    Measure("strict_pass_rate", "pass rate, strict", "share", "high", _strict),
    Measure("val_score", "val score", "share", "high", attrgetter("val_score")),
    Measure("val_to_test_drop", "val-to-test drop", "share", "low", _drop),
    Measure("cost_usd", "cost", "usd", "low", _cost),
    Measure("meta_cost_usd", "cost, meta-agent", "usd", "low", attrgetter("meta_cost_usd")),
    Measure("worker_cost_usd", "cost, workers", "usd", "low", attrgetter("worker_cost_usd")),
    Measure("tokens", "tokens", "count", "low", _tokens),
    Measure("meta_tokens", "tokens, meta-agent", "count", "low", _meta_tokens),
    Measure("worker_tokens", "tokens, workers", "count", "low", _worker_tokens),
    Measure("wall_ms", "time", "ms", "low", attrgetter("wall_ms")),
    Measure("meta_latency_ms", "time, meta-agent", "ms", "low", attrgetter("meta_latency_ms")),
    Measure("worker_latency_ms", "time, workers", "ms", "low", attrgetter("worker_latency_ms")),
    Measure("model_calls", "model calls", "count", "low", lambda t: t.meta_calls + t.worker_calls),
    Measure("steps", "operator calls", "count", None, lambda t: sum(t.operators.values())),
    Measure("complexity", "complexity", "count", "low", attrgetter("complexity")),
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


def by_problem(side: Side, *, named: bool) -> dict[Key, list[TrialRow]]:
    """The side's done trials by problem; `named` keeps problems of different benchmarks apart."""
    trials: dict[Key, list[TrialRow]] = {}
    for part in side.parts:
        for trial in part.trials:
            if trial.is_done:
                trials.setdefault((part.benchmark if named else "", trial.problem_id), []).append(trial)
    return trials


def summarise(side: Side) -> Summary:
    """What a side comes to by itself: counts, means, pass rates and what one solved problem cost."""
    trials = [trial for part in side.parts for trial in part.trials]
    done = [trial for trial in trials if trial.is_done]
    problems = by_problem(side, named=True)
    scored = {k: rows for k, of_all in problems.items() if (rows := [t for t in of_all if _has_verdict(t)])}
    tried, passed = [len(rows) for rows in scored.values()], [_passed(rows) for rows in scored.values()]
    means = {m.key: mean for m in MEASURES if (mean := _mean(m, done)) is not None}
    passes = sum(passed)
    # What it takes to have one more problem solved: what failed is paid for as well.
    cost, wall = means.get("cost_usd"), means.get("wall_ms")
    is_priced = cost is not None and cost.known == len(done)
    rates = _by_benchmark(scored) if len({part.benchmark for part in side.parts}) > 1 else {}
    return Summary(
        _counts(side, trials),
        len(problems),
        pass_rate_interval(passed, tried),
        means,
        _pass_at(passed, tried),
        cost.value * cost.known / passes if cost and is_priced and passes else None,
        wall.value * wall.known / passes if wall and passes else None,
        len({t.workflow_id for t in done if t.workflow_id}),
        _operators(done),
        rates,
        statistics.fmean(rates.values()) if rates else None,
        shares(part.replies for part in side.parts),
    )


def _passed(rows: Iterable[TrialRow]) -> int:
    return sum(t.status == "passed" for t in rows)


def _mean(measure: Measure, trials: Iterable[TrialRow]) -> Mean | None:
    values = [value for value in map(measure.of, trials) if value is not None]
    return Mean(statistics.fmean(values), len(values)) if values else None


def _counts(side: Side, trials: Sequence[TrialRow]) -> Counts:
    status = Counter(t.status for t in trials)
    done = sum(t.is_done for t in trials)
    planned = sum(part.planned for part in side.parts)
    return Counts(
        planned,
        done,
        status["passed"],
        status["failed"],
        status["error"],
        status["budget"],
        status["answered"],
        len(trials) - done - status["running"],
        max(planned - len(trials), 0),
        sum(t.is_done and t.strict is False for t in trials),
        status["running"],
    )


def _pass_at(passed: Sequence[int], tried: Sequence[int]) -> dict[int, float]:
    """Unbiased pass@k, averaged over the problems, for each k that every problem has trials for."""
    fewest = min(tried, default=0)
    if fewest < 2:
        return {}
    ks = sorted({k for k in KS if k <= fewest} | {fewest})
    return {k: statistics.fmean(pass_at_k(n, c, k) for n, c in zip(tried, passed, strict=True)) for k in ks}


def _operators(done: Sequence[TrialRow]) -> dict[str, float]:
    used: Counter[str] = Counter()
    for steps, trials in Counter(trial.steps for trial in done).items():
        used.update({name: count * trials for name, count in operators_in(steps).items()})
    return {name: count / len(done) for name, count in used.most_common()}


def _by_benchmark(scored: Mapping[Key, Sequence[TrialRow]]) -> dict[str, float]:
    trials: dict[str, list[TrialRow]] = {}
    for (benchmark, _), rows in scored.items():
        trials.setdefault(benchmark, []).extend(rows)
    return {name: _passed(rows) / len(rows) for name, rows in trials.items()}
