"""The problems of an experiment: those that it reports, and others that its searches may see."""

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


_PROGRAMS = (
    "Where entry_point is None, the answer is a whole Python program, which reads standard input and prints."
)


@dataclass(frozen=True)
class Selection:
    """The problems that are reported, and those that searches may see; none is in both."""

    report: tuple[Problem, ...]
    search: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        """The content address of all of them, as a plan keeps it."""
        return digest_of(self.report, self.search)


def select(
    benchmark: str,
    data: Path | None,
    division: str | None,
    limit: int | None,
    search_limit: int | None = None,
) -> Selection:
    """The test part of a division to report and its val part to search on. For a part (`NAME/val`), that is
    reported, and there is nothing to search on. `limit` takes the first of what is reported, and
    `search_limit`, by default the same number, of what is searched on.

    Raises ProblemError where the benchmark or division does not exist or cannot be loaded, or there is
    nothing to report.
    """
    problems = load_benchmark(benchmark, data)
    name = division or "all"
    if "/" in name:
        return Selection(tuple(split(problems, name))[:limit], ())
    parts = divide(problems, name)
    if not parts.test:
        raise ProblemError(f"{name} leaves no problem of {benchmark} to report on; use another split, or all")
    return Selection(parts.test[:limit], parts.val[: limit if search_limit is None else search_limit])


def reselect(plan: Plan) -> Selection:
    """The problems of a stored plan. Raises ProblemError as `select`, and PlanError where they have
    changed.
    """
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
    """The description of the benchmark for a search, and the problems on which it may try candidates."""
    entry = CATALOGUE.get(benchmark)
    name = benchmark if entry else Path(benchmark).stem
    kind = selection.report[0].kind
    about = f"{name}: {entry.about if entry else _ABOUT[kind]}."
    if any(problem.is_program for problem in (*selection.report, *selection.search)):
        about = f"{about} {_PROGRAMS}"
    return Task(name, about, kind, selection.search)


def _of(problems: Iterable[Problem], ids: Iterable[str]) -> tuple[Problem, ...]:
    chosen = set(ids)
    return tuple(problem for problem in problems if problem.id in chosen)
