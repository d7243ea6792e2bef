"""The scores of a candidate from its trials: what counts as zero, what is no verdict, means by repeat."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

from engine.ids import derived_seed
from engine.problems import Problem
from engine.search import SearchContext, Trial
from engine.workflows import Workflow

NO_VERDICT = ("infra", "cancelled", "interrupted")
MAX_TEXT = 2_000  # characters of an answer or an error that a search keeps and shows


class Outcome(TypedDict):
    """A trial as a search records it. `score` is in [0, 1], None where there was no verdict; `error` is
    shortened.
    """

    run_id: str
    problem_id: str
    repeat: int
    score: float | None
    answered: bool
    error: str | None
    cost_usd: float | None


def score_of(trial: Trial) -> float | None:
    """The trial's score. A trial without one counts as 0, also where a model refused its call, or as None
    where the sandbox or an endpoint failed, which is no verdict.
    """
    if trial.score is not None:
        return float(trial.score)
    return None if trial.status in NO_VERDICT else 0.0


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are not None; None where there are none."""
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def std(values: Sequence[float]) -> float:
    """The population standard deviation; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    middle = sum(values) / len(values)
    return (sum((v - middle) ** 2 for v in values) / len(values)) ** 0.5


def by_repeat(outcomes: Sequence[Outcome]) -> list[float]:
    """The mean score of each repeat over the problems, in order; repeats without a verdict are left out."""
    groups: dict[int, list[float | None]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome["repeat"]].append(outcome["score"])
    return [m for _, scores in sorted(groups.items()) if (m := mean(scores)) is not None]


def by_problem(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The mean score of each problem over the repeats, in order of appearance."""
    groups: dict[str, list[float | None]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome["problem_id"]].append(outcome["score"])
    return {problem: mean(scores) for problem, scores in groups.items()}


Extra = Callable[[list[Trial]], Any]
T = TypeVar("T")


async def tried(
    search: SearchContext,
    label: str,
    workflow: Workflow,
    *,
    problems: Sequence[Problem] | None = None,
    repeats: int = 1,
    extra: Extra | None = None,
) -> tuple[list[Outcome], Any]:
    """(the outcomes of a candidate, what `extra` makes of its trials as JSON-ready data).

    Both are recorded, so that a search that is resumed decides as it did before, even where a trial was
    repeated in between. Where the set-up failed every trial there is nothing to record, and a search that is
    resumed tries them again. Raises what `search.evaluate` raises.
    """

    async def make() -> Mapping[str, Any]:
        trials = await search.evaluate(label, workflow, problems=problems, repeats=repeats)
        value = {"outcomes": [outcome_of(t) for t in trials], "extra": extra(trials) if extra else None}
        if trials and all(trial.status == "infra" for trial in trials):
            raise _NothingToRecordError(value)
        return value

    try:
        value = await search.journal.once(f"{label}/trials", make)
    except _NothingToRecordError as nothing:
        value = nothing.value
    return value["outcomes"], value["extra"]


class _NothingToRecordError(Exception):
    """No trial of a candidate came to a verdict; `value` is what there is all the same."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        super().__init__()
        self.value = value


def outcome_of(trial: Trial) -> Outcome:
    """The trial as it is recorded."""
    return Outcome(
        run_id=trial.run_id,
        problem_id=trial.problem_id,
        repeat=trial.repeat,
        score=score_of(trial),
        answered=trial.answer is not None,
        error=clipped(trial.error) if trial.error else None,
        cost_usd=trial.cost_usd,
    )


def clipped(text: str, limit: int = MAX_TEXT) -> str:
    """The text; where it is longer than `limit` characters, its beginning and how much is left out."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} characters more)"


def seed_of(search: SearchContext, *parts: Any) -> int:
    """A seed that depends only on the run's seed, the variant and `parts`."""
    return derived_seed(search.run.config.seed, search.run.config.variant, *parts)


def at_temperature(search: SearchContext, temperature: float | None) -> SearchContext:
    """The search with this temperature for the meta-agent, unless the run has set one."""
    config = search.run.config
    if config.meta_sampling.temperature is not None:
        return search
    sampling = replace(config.meta_sampling, temperature=temperature)
    return replace(search, run=replace(search.run, config=replace(config, meta_sampling=sampling)))


async def together(jobs: Iterable[Awaitable[T]]) -> list[T]:
    """The results of jobs that are done at once. Where one fails, the others still run to their end, so that
    what they paid for is recorded; then the error is raised.
    """
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [r for r in results if not isinstance(r, BaseException)]
