"""Names of trials: the same on every attempt, whatever characters ids and labels have."""

from __future__ import annotations

import json
from typing import NamedTuple

# Statuses of runs that count. The others (infra, interrupted, cancelled, running) say nothing about the
# variant, so their trials are still to do. An "error" is the variant's or its call's own.
DONE = ("passed", "failed", "answered", "error", "budget")

# The journal's key of a search's result: no step of a search has an empty name.
FOUND = ""


class TrialKey(NamedTuple):
    """A trial: a variant (by its label) on a problem; `repeat` counts from 1.

    `candidate` is empty for a trial that is reported, else the name that the variant's search gives the
    candidate.
    """

    label: str
    problem_id: str
    repeat: int
    candidate: str = ""

    def __str__(self) -> str:
        """The key as a JSON list in ASCII. Joining the parts would not do, since ids may hold any
        separator.
        """
        if self.candidate:
            return json.dumps(["search", self.label, self.candidate, self.problem_id, self.repeat])
        return json.dumps([self.label, self.problem_id, self.repeat])

    @classmethod
    def parse(cls, text: str) -> TrialKey:
        """The inverse of `str`. Raises ValueError where `text` is not the name of a trial."""
        match json.loads(text):
            case [str(label), str(problem_id), int(repeat)]:
                return cls(label, problem_id, repeat)
            case ["search", str(label), str(candidate), str(problem_id), int(repeat)]:
                return cls(label, problem_id, repeat, candidate)
        raise ValueError(f"not the name of a trial: {text[:100]!r}")


def search_key(label: str) -> str:
    """The name of the run that is a variant's search."""
    return json.dumps(["search", label])


def is_search(text: str) -> bool:
    """Whether `text` is the name of such a run; a name nobody can read is none."""
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):  # of an imported run: anything
        return False
    match parts:
        case ["search", str()]:
            return True
    return False
