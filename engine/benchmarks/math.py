r"""MATH (Hendrycks et al. 2021): competition problems; the last `\boxed{}` counts, compared by math-verify.

Its own files hold one JSON object for each problem, in a folder for each subject; JSONL and Parquet files
hold many. AFlow and MaAS use level 5 of four subjects, which is the split `aflow-1:4`.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from engine.benchmarks.sources import Hub, fields, identifier, text
from engine.problems import Problem, ProblemError
from engine.records import Record
from engine.scores.metrics import last_boxed

FILES = (
    "math.jsonl",
    "math_[tv]*.jsonl",
    "MATH/test/*/*.json",
    "test/*/*.json",
    "*/test-*.parquet",
    "test-*.parquet",
)
HUB = Hub(
    "EleutherAI/hendrycks_math",
    (
        "algebra",
        "counting_and_probability",
        "geometry",
        "intermediate_algebra",
        "number_theory",
        "prealgebra",
        "precalculus",
    ),
)


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order; those of single files are named after their files. Raises
    ProblemError where one does not have MATH's layout.
    """
    return [to_problem(record, where, number) for number, (record, where) in enumerate(records)]


def to_problem(record: object, where: str, number: int = 0) -> Problem:
    """One record as a problem; `number` makes its id where it has none. Raises ProblemError, as
    `problems`.
    """
    query, solution = text(record, "problem", where), text(record, "solution", where)
    data = fields(record, where)
    recorded = data.get("answer")
    answer = recorded if isinstance(recorded, str) and recorded.strip() else last_boxed(solution)
    if not answer:
        raise ProblemError(f'{where}: the field "solution" has no \\boxed{{answer}}')
    file = PurePath(where)
    default_id = f"math/{file.parent.name}/{file.stem}" if file.suffix == ".json" else f"math/{number}"
    metadata: dict[str, Any] = {"benchmark": "math", "metric": "math", "reference": solution}
    metadata |= {key: data[key] for key in ("level", "type") if isinstance(data.get(key), str)}
    problem_id = identifier(record, where, "id", "unique_id", default=default_id)
    return Problem(problem_id, query.strip(), kind="math", answer=answer, metadata=metadata)
