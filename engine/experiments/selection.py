"""The problems of an experiment: those it reports on and, apart from them, those searches may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.benchmarks import CATALOGUE, load_benchmark
from engine.benchmarks.splits import divide, split
from engine.experiments.plan import Plan, PlanError, digest_of
from engine.problems import Kind, Problem, ProblemError
from engine.tasks import Task

_ABOUT: dict[Kind, str] = {
    "code": "programming problems with hidden tests",
    "math": "mathematical problems",
    "qa": "questions with a short answer",
    "open": "open queries",
}


@dataclass(frozen=True)
class Selection:
    """`report` and `search` have no problem in common."""

    report: tuple[Problem, ...]
    search: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        return digest_of(self.report, self.search)


def select(benchmark: str, data: Path | None, division: str | None, limit: int | None) -> Selection:
    """The test part of a division is reported on, its val part searched on; of `NAME/val` or `NAME/test`
    only that part is reported on, and nothing is left to search on. `limit` takes the first of each.

    Raises ProblemError.
    """
    problems = load_benchmark(benchmark, data)
    name = division or "all"
    if "/" in name:
        return Selection(tuple(split(problems, name))[:limit], ())
    parts = divide(problems, name)
    if not parts.test:
        raise ProblemError(f"{name} leaves no problem of {benchmark} to report on; use another split, or all")
    return Selection(parts.test[:limit], parts.val[:limit])


def reselect(plan: Plan) -> Selection:
    """The problems of a stored plan. Raises ProblemError, and PlanError where they are no longer the same."""
    data = Path(plan.data) if plan.data else None
    everything = select(plan.benchmark, data, plan.split, None)
    again = Selection(_of(everything.report, plan.problems), _of(everything.search, plan.search_problems))
    if again.digest != plan.digest:
        raise PlanError(
            f"the problems of {plan.benchmark} are not those {plan.name} was started with;"
            " restore them, or start a new experiment"
        )
    return again


def task_of(benchmark: str, selection: Selection) -> Task:
    """What a search is told of the benchmark, and the problems it may try candidates on."""
    known = CATALOGUE.get(benchmark)
    name = benchmark if known else Path(benchmark).stem
    kind = selection.report[0].kind
    about = known.about if known else _ABOUT[kind]
    return Task(name, f"{name}: {about}.", kind, selection.search)


def _of(problems: Iterable[Problem], ids: Iterable[str]) -> tuple[Problem, ...]:
    wanted = set(ids)
    return tuple(problem for problem in problems if problem.id in wanted)
