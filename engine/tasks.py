"""Tasks: what a variant that writes one workflow for many problems searches over."""

from __future__ import annotations

from dataclasses import dataclass

from engine.problems import Kind, Problem


@dataclass(frozen=True)
class Task:
    """A distribution of problems. `problems` are those a search may run and score: never the ones that
    the report is about. `description` is what the meta-agent is told of the task.
    """

    name: str
    description: str
    kind: Kind
    problems: tuple[Problem, ...]
