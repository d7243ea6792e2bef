"""Names of trials: the same on every attempt, whatever ids and labels hold."""

from __future__ import annotations

import json
from typing import NamedTuple

# Statuses of runs that count. The others (infra, interrupted, cancelled, running) say nothing of the
# variant, so their trials are still to do.
DONE = ("passed", "failed", "answered", "error", "budget")

# A journal's key for what the search found: no step of a search is called this.
FOUND = ""


class TrialKey(NamedTuple):
    """A variant (by its label) on a problem; `repeat` counts from 1.

    `candidate` is empty for a trial that is reported, else what the variant's search calls the candidate.
    """

    label: str
    problem_id: str
    repeat: int
    candidate: str = ""

    def __str__(self) -> str:
        """ASCII, and no two keys alike: ids may hold any separator."""
        if self.candidate:
            return json.dumps(["search", self.label, self.candidate, self.problem_id, self.repeat])
        return json.dumps([self.label, self.problem_id, self.repeat])

    @classmethod
    def parse(cls, text: str) -> TrialKey:
        """The inverse of `str`. Raises ValueError."""
        match json.loads(text):
            case [str(label), str(problem_id), int(repeat)]:
                return cls(label, problem_id, repeat)
            case ["search", str(label), str(candidate), str(problem_id), int(repeat)]:
                return cls(label, problem_id, repeat, candidate)
        raise ValueError(f"not the name of a trial: {text[:100]!r}")


def search_key(label: str) -> str:
    """The name of the run that is a variant's search."""
    return json.dumps(["search", label])
