"""Carrying trials out: one run each, recorded, with how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from engine.events import Event, RunFinished
from engine.experiments.tally import Attempt
from engine.journal import Journal
from engine.problems import Problem
from engine.run.context import Origin, RunConfig, Services
from engine.runner import Job, Run, workflow_job
from engine.search import Trial
from engine.workflows import Workflow

Watch = Callable[[Event], None]


@dataclass(frozen=True)
class TrialRequest:
    """One run to carry out. Without a workflow or a job, the variant's `solve` runs, with `found`.

    All of it but `job`, which searches have, is plain data that another process can be sent.
    """

    problem: Problem
    config: RunConfig
    meta_agent: str
    worker: str
    origin: Origin
    repeat: int = 1
    workflow: Workflow | None = None
    found: Mapping[str, Any] | None = None
    job: Job | None = None


class Carry(Protocol):
    """Carries trials out, here or elsewhere."""

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        """The run's end; its events are kept, and shown to `watch`, before this returns. A failed run is
        a result.

        Raises what opening its models and its sandbox raises, and what recording it raises.
        """
        ...


class TrialLog(Protocol):
    """What is known of an experiment's trials: the record of their runs."""

    async def attempts(self) -> dict[str, Attempt]:
        """The reported attempt of each trial attempted so far, by trial key."""
        ...

    async def ended(self, key: str) -> Trial | None:
        """The latest run of a trial that counts, with its answer."""
        ...

    async def spent(self) -> tuple[float, int]:
        """US dollars of known price that all of the experiment's runs cost, and calls of unknown price."""
        ...

    def journal(self, label: str) -> Journal:
        """The journal of a variant's search."""
        ...


class LocalTrials:
    """Carries trials out in this process.

    `record` keeps a run's events and yields them. A run that a variant's bug ended has its end recorded
    like any other; the error goes to `report_bug`.
    """

    def __init__(
        self,
        open_services: Callable[[str, str], Awaitable[Services]],
        record: Callable[[Run], AsyncGenerator[Event, None]],
        report_bug: Callable[[Exception], object],
    ) -> None:
        self._open, self._record, self._report_bug = open_services, record, report_bug

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        services = await self._open(request.meta_agent, request.worker)
        job = workflow_job(request.workflow) if request.workflow else request.job
        run = Run(
            request.problem, request.config, services, job=job, found=request.found, origin=request.origin
        )
        end: RunFinished | None = None
        try:
            async with aclosing(self._record(run)) as events:
                async for event in events:
                    watch(event)
                    if isinstance(event, RunFinished):
                        end = event
        # A variant may be anybody's code: its error must not end the other trials.
        except Exception as error:
            if end is None:
                raise
            self._report_bug(error)
        assert end is not None  # a run's last event
        return trial_of(request.problem.id, request.repeat, end)


def trial_of(problem_id: str, repeat: int, end: RunFinished) -> Trial:
    """A trial by the event that ended its run."""
    return Trial(
        run_id=end.run_id,
        problem_id=problem_id,
        repeat=repeat,
        status=end.status,
        score=end.score,
        answer=end.answer,
        error=end.error,
        tokens_in=end.tokens_in,
        tokens_out=end.tokens_out,
        cost_usd=end.cost_usd,
    )
