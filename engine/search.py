"""What a search works with: a task, a way to score workflows on it, and a journal to resume from.

A search is a run like any other: its calls of the meta-agent and the workflows it proposes are events of
`context.run`. Each execution of a candidate on a problem is a run of its own, with `stage` "search".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.journal import Journal
from engine.problems import Problem
from engine.run.context import RunContext
from engine.tasks import Task
from engine.workflows import Workflow


class SearchError(Exception):
    """A search has no result and cannot go on; the message says why, and what to do."""


@dataclass(frozen=True)
class Trial:
    """One candidate on one problem: how its run ended.

    `score` is in [0, 1], None where there was no verdict; `status` and `error` are RunFinished's. The
    tokens and cost are the run's own (None is unknown), never a running total.
    """

    run_id: str
    problem_id: str
    repeat: int
    status: str
    score: float | None
    answer: str | None
    error: str | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None


class Evaluate(Protocol):
    """Runs and scores candidates."""

    async def __call__(
        self,
        label: str,
        workflow: Workflow | None,
        *,
        problems: Sequence[Problem] | None = None,
        repeats: int = 1,
        found: Mapping[str, Any] | None = None,
    ) -> list[Trial]:
        """Execute `workflow` `repeats` times on each of `problems` (by default the task's), concurrently.

        Without a workflow, the variant's own `solve` runs, with `found`. `label` names the candidate: a trial
        with the same label, problem and repeat that has ended is not run again, even after an interruption.
        Returns the trials in order of problem and repeat; failures are trials too.

        Raises BudgetExceededError where the experiment's money is spent, and SandboxError or ModelError where
        trials cannot be carried out at all.
        """
        ...


@dataclass(frozen=True)
class SearchContext:
    """What one search works with. `run` has the configuration, the services, the emitter and the gateway."""

    run: RunContext
    task: Task
    journal: Journal
    evaluate: Evaluate
