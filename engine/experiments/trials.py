"""Carrying out trials: each is one run, which is recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engine.events import Event, RunFinished
from engine.experiments.tally import Attempt
from engine.forks.replies import Reply, Unfinished
from engine.journal import Journal
from engine.problems import Problem
from engine.run.context import Origin, RunConfig, Services
from engine.runner import Job, Run, workflow_job
from engine.search import Trial
from engine.workflows import Workflow

Watch = Callable[[Event], None]


@dataclass(frozen=True)
class TrialRequest:
    """One run to carry out. Without a workflow or a job, the variant's `solve` runs, with `found`, the result
    of its search. `replies` are the answers that earlier attempts at it got.

    All of it is plain data that can be sent to another process, except `job`, which only searches have.
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
    replies: tuple[Reply, ...] = ()

    def going_on(self, unfinished: Unfinished | None) -> TrialRequest:
        """The same, going on from an attempt that did not end, where there is one."""
        if unfinished is None:
            return self
        origin = replace(self.origin, parent=unfinished.run_id)
        return replace(self, origin=origin, replies=unfinished.replies)


class Carry(Protocol):
    """Carries out trials, in this process or elsewhere."""

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        """How the run ended; its events are recorded and passed to `watch` before this returns. A failed run
        is a result.

        Raises ModelError and SandboxError where its models or sandbox cannot be opened, and what recording it
        raises.
        """
        ...


class TrialLog(Protocol):
    """The record of an experiment's trials."""

    async def attempts(self) -> dict[str, Attempt]:
        """The reported attempt of each trial attempted so far, by trial key."""
        ...

    async def ended(self, key: str) -> Trial | None:
        """The latest run that counts of a trial, with its answer; None where there is none."""
        ...

    async def unfinished(self, key: str) -> Unfinished | None:
        """What the attempts at a trial were answered since one of them last counted; None where there was
        none since then.
        """
        ...

    async def spent(self) -> tuple[float, int]:
        """(US dollars that all of the experiment's runs cost, as far as prices are known; calls of
        unknown price).
        """
        ...

    def journal(self, label: str) -> Journal:
        """The journal of a variant's search."""
        ...


class LocalTrials:
    """Carries out trials in this process, as `Carry`.

    `open_services` opens the models of these names and the sandbox. `record` keeps a run's events and yields
    them. A run that a bug of its variant ended is recorded like any other; the error goes to `report_bug`.
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
            request.problem,
            request.config,
            services,
            job=job,
            found=request.found,
            origin=request.origin,
            replies=request.replies,
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
    """The trial that a run was, from the event that ended it."""
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
