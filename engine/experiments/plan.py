"""What an experiment consists of: everything that decides which trials there are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.experiments.keys import TrialKey
from engine.json_objects import read_object
from engine.problems import Problem
from sandbox.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)


class PlanError(UsageError):
    """The experiment cannot be planned or resumed in this way; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """An experiment. `problems` are the ids of those that are reported, `search_problems` of those that
    searches may see; none is in both. `digest` is a hash of the content of both, so that a resumed experiment
    works on the same problems.

    `variants` are specs (`engine.variants.spec`) by label. `repeats` counts the trials of a variant on a
    problem, `executions` the executions of a workflow within one. `found` names an experiment whose search
    results are used in place of a search, `again` the one whose flips are tried again here.
    """

    name: str
    benchmark: str
    split: str | None
    data: str | None
    seed: int
    repeats: int
    executions: int
    meta_agent: str
    worker: str
    variants: dict[str, str]
    problems: tuple[str, ...]
    search_problems: tuple[str, ...]
    digest: str
    found: str | None = None
    again: str | None = None

    @property
    def total(self) -> int:
        """The number of trials."""
        return len(self.variants) * len(self.problems) * self.repeats

    def trials(self) -> Iterator[TrialKey]:
        """Every trial. The variants alternate, so that a half-done experiment compares them fairly."""
        for repeat in range(1, self.repeats + 1):
            for problem_id in self.problems:
                for label in self.variants:
                    yield TrialKey(label, problem_id, repeat)

    def seed_of(self, repeat: int) -> int:
        """The seed of a repeat's runs: the same for all variants, so that they are paired."""
        return self.seed + repeat - 1

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        """The inverse of `to_json`. Raises PlanError where `data` is not a plan of this version."""
        return read_object(cls, data, "the experiment's plan", PlanError)


def check_name(name: str) -> str:
    """The name, as it is. Raises PlanError where it cannot be used in filters and commands."""
    if not _NAME.fullmatch(name):
        raise PlanError(
            f"an experiment cannot be called {name[:80]!r};"
            " use up to 80 letters, digits, dots, dashes and underscores"
        )
    return name


def digest_of(problems: Sequence[Problem], search_problems: Sequence[Problem]) -> str:
    """A content address of the problems, 32 hex digits."""
    state = hashlib.blake2b(digest_size=16)
    for group in (problems, search_problems):
        for problem in group:
            state.update(json.dumps(problem.to_json(), sort_keys=True, default=repr).encode())
        state.update(b"\0")
    return state.hexdigest()
