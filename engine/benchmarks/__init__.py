"""Benchmarks by name: `BENCHMARK:ID` is one problem of one. One adapter a file."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from engine.problems import Problem, ProblemError

# Name → (module with `load(data: Path | None) -> list[Problem]`, what it is)
BENCHMARKS: dict[str, tuple[str, str]] = {
    "humaneval": ("engine.benchmarks.humaneval", "164 Python functions with hidden tests (local JSONL)"),
    "pocket": ("engine.benchmarks.pocket", "held-out queries in the embedded models' small language"),
}

Load = Callable[[Path | None], list[Problem]]


def load_benchmark(name: str, data: Path | None = None) -> list[Problem]:
    """All problems of a benchmark; `data` is its local file. Raises ProblemError."""
    if name not in BENCHMARKS:
        near = get_close_matches(name, BENCHMARKS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BENCHMARKS)}"
        raise ProblemError(f"there is no benchmark {name!r}; {hint}")
    load: Load = import_module(BENCHMARKS[name][0]).load
    return load(data)


def find_problem(name: str, problem_id: str, data: Path | None = None) -> Problem:
    """One problem of a benchmark by its id. Raises ProblemError."""
    problems = {p.id: p for p in load_benchmark(name, data)}
    if problem_id not in problems:
        near = get_close_matches(problem_id, problems, n=1) or list(problems)[:1]
        raise ProblemError(f"{name} has no problem {problem_id!r}; try {name}:{near[0]}")
    return problems[problem_id]
