"""Benchmarks by name, from their own files or a hub, and your own from a file. Each adapter has its own
module.

`BENCHMARK:ID` names one problem. `CATALOGUE` says how many problems each benchmark has, how it is scored and
where it comes from. `splits` divides problems, and each adapter divides a problem's tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.benchmarks.files import existing_file, load_problems
from engine.paths import expanded
from engine.problems import Metric, Problem, ProblemError, unique
from engine.records import read_records

__all__ = ["CATALOGUE", "Benchmark", "find_problem", "load_benchmark"]


@dataclass(frozen=True)
class Benchmark:
    """One line of the catalogue. `size` counts its problems, `module` is its adapter, `image` the sandbox
    image that its scoring needs, `division` what a search divides it by where nothing else is asked for.
    """

    name: str
    about: str
    size: int
    metric: Metric
    source: str
    module: str
    image: str = "core"
    division: str = "aflow-1:4"

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its data in a folder, as globs; the first that matches is used."""
        return self._of_module("FILES")

    @property
    def hub(self) -> Any:
        """The `sources.Hub` from which it can be loaded, or None."""
        return self._of_module("HUB")

    @property
    def shipped(self) -> bool:
        """Whether its data come with the package."""
        return hasattr(import_module(self.module), "shipped")

    def _of_module(self, constant: str) -> Any:
        value = getattr(import_module(self.module), constant)
        return value[self.name] if isinstance(value, dict) else value


def _benchmark(
    name: str, about: str, size: int, metric: Metric, source: str, image: str = "core"
) -> Benchmark:
    module = name.partition("-")[0]
    return Benchmark(name, about, size, metric, source, f"engine.benchmarks.{module}", image)


CATALOGUE: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        _benchmark("humaneval", "Python functions with hidden tests", 164, "tests", "Chen et al. 2021"),
        _benchmark("mbpp", "short Python programs", 974, "tests", "Austin et al. 2021"),
        _benchmark("mbpp-sanitized", "the part of MBPP checked by hand", 427, "tests", "Austin et al. 2021"),
        _benchmark(
            "bigcodebench-complete",
            "functions over many libraries, from docstrings",
            1140,
            "tests",
            "Zhuo et al. 2024",
            "science",
        ),
        _benchmark(
            "bigcodebench-instruct",
            "functions over many libraries, from requests",
            1140,
            "tests",
            "Zhuo et al. 2024",
            "science",
        ),
        _benchmark("gsm8k", "grade-school word problems", 1319, "last-number", "Cobbe et al. 2021"),
        _benchmark("math", "competition mathematics", 5000, "math", "Hendrycks et al. 2021", "math"),
        _benchmark("hotpotqa", "questions over several paragraphs", 7405, "f1", "Yang et al. 2018"),
        _benchmark("drop", "arithmetic over a passage", 9536, "drop-f1", "Dua et al. 2019"),
        _benchmark("livecodebench", "contest problems by date", 1055, "tests", "Jain et al. 2024"),
        _benchmark("apps", "contest problems of three levels", 5000, "tests", "Hendrycks et al. 2021"),
        _benchmark("apps-introductory", "those that ask least", 1000, "tests", "Hendrycks et al. 2021"),
        _benchmark("apps-interview", "those of interviews", 3000, "tests", "Hendrycks et al. 2021"),
        _benchmark("apps-competition", "those of competitions", 1000, "tests", "Hendrycks et al. 2021"),
        _benchmark("aime", "an examination in mathematics", 30, "last-number", "MAA, each year"),
        Benchmark(
            "pocket",
            "the embedded models' small language",
            41,
            "tests",
            "shipped",
            "engine.benchmarks.pocket",
            division="official",
        ),
    )
}


def load_benchmark(name: str, data: Path | None = None) -> list[Problem]:
    """All problems of a benchmark, or of a file of your own in the format of `engine.problems`.

    `data` is a file, or a folder that may hold several benchmarks under their official names. Without it,
    or where the folder does not have this benchmark, it is loaded from the hub.

    Raises:
        ProblemError: there is no such benchmark or file, its data is not available, or a record does not
            have its layout; the message names the file, line and field.
        UsageError: `data` is in the home folder of a user nobody knows.
    """
    if name not in CATALOGUE:
        return _own(name)
    from engine.benchmarks import sources

    benchmark = CATALOGUE[name]
    module = import_module(benchmark.module)
    data = expanded(data) if data is not None else None
    if data is not None and (not data.is_dir() or sources.has_data(data, benchmark.files)):
        read = getattr(module, "read", read_records)
        records = sources.from_path(data, benchmark.files, name, read)
    elif benchmark.shipped:
        return module.shipped()
    elif benchmark.hub is None:
        raise ProblemError(
            f"{name} is read from its own files: download them ({', '.join(benchmark.files)}), and pass "
            "--data PATH or set FLOWREASONER_DATA to their folder"
        )
    else:
        records = sources.from_hub(benchmark.hub, name, benchmark.files)
    return unique(module.problems(records, name))


def find_problem(name: str, problem_id: str, data: Path | None = None) -> Problem:
    """One problem of a benchmark by its id. Raises ProblemError as `load_benchmark`, and for an unknown
    id.
    """
    problems = {p.id: p for p in load_benchmark(name, data)}
    if problem_id not in problems:
        near = get_close_matches(problem_id, problems, n=1) or list(problems)[:1]
        raise ProblemError(f"{name} has no problem {problem_id!r}; try {name}:{near[0]}")
    return problems[problem_id]


def _own(name: str) -> list[Problem]:
    path = existing_file(name)
    if path is not None:
        return load_problems(path)
    near = get_close_matches(name, CATALOGUE, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(CATALOGUE)}, or a file of yours"
    raise ProblemError(f"there is no benchmark {name!r}; {hint}")
