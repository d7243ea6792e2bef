"""GSM8K (Cobbe et al. 2021): grade-school word problems; an answer's last number counts.

The metric is AFlow's: |difference| ≤ 1e-6. The reference is what follows `####`.
"""

from __future__ import annotations

from engine.benchmarks.sources import Hub, identifier, text
from engine.problems import Problem, ProblemError
from engine.records import Record
from engine.scores.metrics import last_number

FILES = ("gsm8k.jsonl", "gsm8k_[tv]*.jsonl", "gsm8k/test.jsonl", "main/test-*.parquet", "test-*.parquet")
HUB = Hub("openai/gsm8k", ("main",))


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order, numbered from 0 where they have no id. Raises ProblemError where one
    does not have GSM8K's layout.
    """
    return [to_problem(record, where, number) for number, (record, where) in enumerate(records)]


def to_problem(record: object, where: str, number: int = 0) -> Problem:
    """One record as a problem; `number` makes its id where it has none. Raises ProblemError, as
    `problems`.
    """
    question, solution = text(record, "question", where), text(record, "answer", where)
    answer = solution.rpartition("####")[2].strip()
    if last_number(answer) is None:
        raise ProblemError(f'{where}: the field "answer" does not end in "#### NUMBER"')
    problem_id = identifier(record, where, "id", "task_id", default=f"gsm8k/{number}")
    metadata = {"benchmark": "gsm8k", "metric": "last-number", "reference": solution}
    return Problem(problem_id, question.strip(), kind="math", answer=answer, metadata=metadata)
