"""What the kinds of data sets have in common: rows that may be chosen, and the run they come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

from engine.workflows.skeleton import skeleton
from store.trajectories import Trajectory
from training.data.attempts import Attempt
from training.data.options import BuildOptions

Row = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A row that may be written.

    Of candidates with an equal `same` one is written; pairs come from one `group`.
    """

    row: Row
    same: str
    score: float | None = None
    group: str = ""


@dataclass
class Reading:
    """The run that is being read, and what its rows are made of. What is left out is counted in `dropped`.

    `scores` are those that `attempts` takes; `others` gives further runs on the same problem, the best first.
    """

    trajectory: Trajectory
    options: BuildOptions
    dropped: Counter[str]
    scores: Mapping[str, float] = field(default_factory=dict)
    others: Callable[[], Iterator[Trajectory]] = lambda: iter(())

    @property
    def problem(self) -> dict[str, Any]:
        """The run's problem (`engine.problems.Problem.to_json`)."""
        return self.trajectory.started.problem

    @property
    def benchmark(self) -> str | None:
        """The benchmark of the run's problem, None for a problem of the user's own."""
        return benchmark_of(self.problem)

    def about(self, attempt: Attempt) -> Row:
        """The columns that say where a row comes from."""
        started = self.trajectory.started
        return {
            "run": started.run_id,
            "round": attempt.round,
            "problem": str(self.problem.get("id", "")),
            "benchmark": self.benchmark,
            "meta_agent": started.meta_agent,
            "workflow": attempt.proposal.event.workflow_id,
        }

    def same(self, attempt: Attempt, *apart: str) -> str:
        """A key that workflows share which count as one: problem, operator set, skeleton, and `apart`."""
        operators = str(self.trajectory.started.config.get("operators", ""))
        code = skeleton(attempt.proposal.event.code)
        return key(self.benchmark, self.problem.get("id"), operators, code, *apart)


class Choosing(Protocol):
    """The candidates there are, as a kind chooses from them (`training.data.spool.Spool`)."""

    def unique(self) -> Iterator[Row]:
        """One row of each `Candidate.same`, in the order in which they were added."""
        ...

    def scored_groups(self) -> Iterator[list[tuple[float, int]]]:
        """(score, number) of the unique candidates of each group."""
        ...

    def row(self, number: int) -> Row:
        """The row of the candidate with this number."""
        ...


@dataclass(frozen=True)
class KindOfData:
    """One kind of data set: its columns, and how its rows are found, chosen, and read by the filters.

    `texts` gives all texts of a row; `answers` its rows for `training.data.serialise.tokens`, one for each
    text that is trained on. `hidden` are the splits whose tests it must not hold, `problem` is the column
    with the problem's id. `nothing` says what runs lack from which no row came.
    """

    columns: Mapping[str, tuple[str, str]]
    find: Callable[[Reading], Iterable[Candidate]]
    choose: Callable[[Choosing, BuildOptions], Iterator[Row]]
    texts: Callable[[Row], list[str]]
    answers: Callable[[Row], list[Row]]
    hidden: tuple[str, ...] = ("val", "test")
    problem: str = "problem"
    nothing: str = "no meta-agent wrote a workflow in them that can run and has its round's score"


# Columns of rows that say where they are from: (type, what it holds), as in `store.exports.training_rows`.
ABOUT = {
    "run": ("string", "the run"),
    "round": ("int64", "the round, from 1"),
    "problem": ("string", "the problem's id"),
    "benchmark": ("string", "its benchmark, null for a problem of your own"),
    "meta_agent": ("string", "the model that wrote the reply"),
    "workflow": ("string", "the id of the workflow in the reply"),
}
PROMPT = {"prompt": ("messages", "what the meta-agent was sent")}
ANSWER = {
    "reasoning": ("string", "the meta-agent's thinking"),
    "reply": ("string", "the meta-agent's reply"),
}


def first_of_each(candidates: Choosing, options: BuildOptions) -> Iterator[Row]:
    """Every candidate once (`Spool.unique`): what most kinds choose."""
    return candidates.unique()


def texts_of(row: Row) -> list[str]:
    """The texts of a row with one answer."""
    return [*(message["content"] for message in row["prompt"]), row["reasoning"], row["reply"]]


def itself(row: Row) -> list[Row]:
    """`KindOfData.answers` of a row that is one answer."""
    return [row]


def benchmark_of(problem: Mapping[str, Any]) -> str | None:
    """The benchmark that a problem's metadata name, None where they name none."""
    metadata = problem.get("metadata")
    benchmark = metadata.get("benchmark") if isinstance(metadata, dict) else None
    return benchmark if isinstance(benchmark, str) else None


def key(*parts: object) -> str:
    """A content address of plain data: 32 hex digits."""
    text = json.dumps(parts, ensure_ascii=True, default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()
