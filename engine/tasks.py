"""Tasks: the problems over which a variant searches that writes one workflow for many problems."""

from __future__ import annotations

from dataclasses import dataclass

from engine.problems import Kind, Problem


@dataclass(frozen=True)
class Task:
    """A kind of problem to search a workflow for. `problems` are those that the search may run and score,
    never those that are reported. `description` is for the meta-agent.
    """

    name: str
    description: str
    kind: Kind
    problems: tuple[Problem, ...]
