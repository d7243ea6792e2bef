"""Carrying out trials in other processes: the plan, the store and the recorder stay in this one.

A worker hands over the events of its trials as they come; they are recorded here in their order, as if the
runs were in this process. The driver polls for them, because Ray's streaming generators do not work through
`ray://`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import count
from typing import Any

from engine.event_json import from_json
from engine.events import Event, ModelCallFinished, RoundFinished, RunFinished, StepStarted
from engine.experiments.cluster_error import ClusterError
from engine.experiments.crew import LostWorkerError, Worker, Workers
from engine.experiments.trials import Carry, TrialRequest, Watch, trial_of
from engine.experiments.wire import request_to_json
from engine.forks.replies import KINDS, Unfinished, replies_of
from engine.search import Trial

# A trial that kills its worker so often would do so for ever.
ATTEMPTS = 3
CANCEL_S = 30.0  # for a cancelled run to end in its worker
_LOST = "The worker process that ran this ended before the run did."


class RemoteBugError(Exception):
    """A variant's bug on a worker; the message is the worker's traceback."""


class RemoteRun:
    """A run in a worker process, to be recorded like one of this process.

    Its last event is RunFinished: the worker's, or one of status "interrupted" where the worker was `lost`
    after the run had begun. A run that was lost or cancelled before it began has no events. `bug` is set
    where a bug of the variant ended it.
    """

    def __init__(self, member: Worker, name: str, request: TrialRequest) -> None:
        self._member, self._name, self._request = member, name, request
        self._begun = Seen()
        self._gave_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cancelling: asyncio.Task[None] | None = None
        self.lost = False
        self.bug: RemoteBugError | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """The run's events. Raises ClusterError where the worker cannot carry it out at all."""
        seen = self._begun
        try:
            begun = await self._ask("begin", self._name, request_to_json(self._request))
            if "failure" in begun:
                raise ClusterError(f"on {self._member.host}: {begun['failure']}")
            while True:
                reply = await self._ask("more", self._name)
                for data in reply["events"]:
                    event = from_json(data)
                    seen.add(event)
                    yield event
                if reply["bug"]:
                    self.bug = RemoteBugError(f"on {self._member.host}:\n{reply['bug']}")
                if reply["ended"]:
                    return
        except LostWorkerError:
            self.lost = not seen.has_ended
            if self.lost and seen.last is not None:
                yield seen.interrupted()
        finally:
            if self._cancelling is not None:
                self._cancelling.cancel()

    @property
    def unfinished(self) -> Unfinished | None:
        """What another attempt can go on from; None where the run never began."""
        if self._begun.last is None:
            return None
        replies = (*self._request.replies, *replies_of(self._begun.calls))
        return Unfinished(self._begun.last.run_id, replies)

    def cancel(self) -> None:
        """End the run; its last events still come from `events`."""
        if self._cancelling is None and not self._begun.has_ended:
            self._cancelling = asyncio.create_task(self._cancel())

    async def _cancel(self) -> None:
        try:
            await asyncio.wait_for(self._ask("cancel", self._name), CANCEL_S)
            await asyncio.sleep(CANCEL_S)
        except (LostWorkerError, ClusterError, TimeoutError):
            pass
        if not self._gave_up.done():
            self._gave_up.set_result(None)

    async def _ask(self, method: str, *args: object) -> dict:
        """A worker's reply. Raises LostWorkerError where it went away, or a cancelled run was given up."""
        reply = asyncio.ensure_future(self._member.ask(method, *args))
        await asyncio.wait([reply, self._gave_up], return_when=asyncio.FIRST_COMPLETED)
        if reply.done():
            return reply.result()
        reply.cancel()
        raise LostWorkerError("it does not answer")


class Seen:
    """What the events of a run so far add up to, so that a lost run can be ended with these totals."""

    def __init__(self) -> None:
        self.last: Event | None = None
        self.calls: list[Event] = []  # what `replies_of` reads
        self._calls = self._steps = self._tokens_in = self._tokens_out = 0
        self._cost: float | None = 0.0
        self._best: RoundFinished | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the run's last event has come."""
        return isinstance(self.last, RunFinished)

    def add(self, event: Event) -> None:
        """Count the run's next event."""
        self.last = event
        if event.kind in KINDS:
            self.calls.append(event)
        if isinstance(event, StepStarted):
            self._steps += 1
        elif isinstance(event, ModelCallFinished):
            self._calls += 1
            self._tokens_in += event.tokens_in
            self._tokens_out += event.tokens_out
            cost = event.charge_usd
            self._cost = None if cost is None or self._cost is None else self._cost + cost
        elif isinstance(event, RoundFinished) and event.score is not None:
            best = self._best.score if self._best else None
            if best is None or event.score > best:
                self._best = event

    def interrupted(self) -> RunFinished:
        """The end of a run whose worker is gone, at the time of its last event. There must have been one."""
        assert self.last is not None  # a run that never began has no end
        return RunFinished(
            run_id=self.last.run_id,
            seq=self.last.seq + 1,
            at=self.last.at,
            mono=self.last.mono,
            status="interrupted",
            score=None,
            val_score=self._best.score if self._best else None,
            answer=None,
            workflow_id=self._best.workflow_id if self._best else None,
            error=_LOST,
            tokens_in=self._tokens_in,
            tokens_out=self._tokens_out,
            cost_usd=self._cost,
            model_calls=self._calls,
            steps=self._steps,
            wall_ms=self.last.mono * 1e3,
        )


class RemoteTrials:
    """`engine.experiments.trials.Carry` by workers in other processes. A trial whose worker died is carried
    out by another, which goes on from what the first was answered.
    """

    def __init__(
        self,
        workers: Workers[Any],
        record: Callable[[RemoteRun], AsyncGenerator[Event, None]],
        report_bug: Callable[[Exception], object],
        searches: Carry,
    ) -> None:
        """`record` keeps a run's events and yields them; `report_bug` is called with bugs of variants.
        `searches` carries out searches in this process: their code drives the experiment, and the candidates
        they try come back as trials for the workers.
        """
        self._workers, self._record, self._report_bug, self._searches = workers, record, report_bug, searches
        self._names = count()

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        """As `Carry`. Raises ClusterError where no worker can carry out trials, and what recording raises."""
        if request.job is not None:
            return await self._searches(request, watch)
        end: RunFinished | None = None
        for _ in range(ATTEMPTS):
            async with self._workers.member() as member:
                run = RemoteRun(member, str(next(self._names)), request)
                end = await self._recorded(run, watch) or end
                if run.lost:
                    self._workers.lost(member)
            if not run.lost:
                break
            request = request.going_on(run.unfinished)
        if end is None:  # no event of a run ever came
            why = f"{ATTEMPTS} workers in a row ended as they began this"
            return Trial("", request.problem.id, request.repeat, "infra", None, None, why, 0, 0, 0.0)
        return trial_of(request.problem.id, request.repeat, end)

    async def _recorded(self, run: RemoteRun, watch: Watch) -> RunFinished | None:
        end: RunFinished | None = None
        async with aclosing(self._record(run)) as events:
            async for event in events:
                watch(event)
                if isinstance(event, RunFinished):
                    end = event
        if run.bug is not None:
            self._report_bug(run.bug)
        return end
