"""The gym: worker, sandbox and recorder opened once, rollouts carried out in it, many at a time.

A rollout is the unchanged variant, run by the engine and stored like any run. It is never scored on `test`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from engine.events import Event, ModelCallStarted, RoundFinished, RoundStarted, RunFinished, WorkflowProposed
from engine.guest_modules import guest_modules
from engine.models.base import ChatModel
from engine.problems import Problem
from engine.run.context import Origin, RunConfig, Services
from engine.runner import Job, Run
from sandbox.sandboxes import Sandboxes
from sandbox.types import Sandbox
from store.recorder import Recorder
from store.recording import recorded
from training.rollouts.calls import Call
from training.rollouts.policy import Desk, PolicyModel
from training.rollouts.verdicts import SharedVerdicts, SharingSandbox

if TYPE_CHECKING:
    from sandbox.backends import Prefer

T = TypeVar("T")


@dataclass(frozen=True)
class RoundOutcome:
    """What came of one round. `code` and `prompts` are the last proposal's.

    `score` is the mean pass rate on `val` in [0, 1], None where nothing could be scored; without a workflow
    that can run `valid` is False.
    """

    number: int
    score: float | None
    valid: bool
    complexity: int
    workflow_id: str | None
    code: str
    prompts: str = ""


@dataclass(frozen=True)
class InstanceOutcome:
    """One instance of a task, solved with the rollout's workflow.

    `score` is in [0, 1], None without a verdict.
    """

    run_id: str
    problem_id: str
    status: str
    score: float | None


@dataclass(frozen=True)
class Rollout:
    """A rollout that has ended. `status` and `error` are its run's. A round that the run's end cut short is
    not among `rounds`, its calls are among `calls`.
    """

    run_id: str
    origin: Origin
    status: str
    error: str | None
    rounds: tuple[RoundOutcome, ...]
    calls: tuple[Call, ...]
    instances: tuple[InstanceOutcome, ...] = ()


@dataclass(frozen=True)
class RolloutRequest:
    """One rollout to carry out.

    `config.seed` is what the policy draws from, `config.worker_seed` what the workers do, the same for all of
    a group.
    """

    problem: Problem
    policy: PolicyModel
    config: RunConfig
    origin: Origin = field(default_factory=Origin)

    async def carry_out(self, gym: Gym) -> Rollout:
        """Carry it out in this gym. Raises StoreError where its events cannot be stored."""
        reading = Reading(self.policy)
        run_id = await gym.run(self.problem, self.policy, self.config, self.origin, reading)
        return reading.rollout(run_id, self.origin)


class Request(Protocol):
    """A rollout to carry out, of whatever kind."""

    @property
    def policy(self) -> PolicyModel:
        """The policy that writes its workflows."""
        ...

    async def carry_out(self, gym: Gym) -> Rollout:
        """Carry it out in this gym. Raises StoreError where its events cannot be stored."""
        ...


class Reader(Protocol):
    """Takes a run's events, in order."""

    def add(self, event: Event) -> None:
        """Take the run's next event."""
        ...


class Gym:
    """Carries out rollouts; an async context manager.

    Leaving it ends what still runs and waits until those ends are stored.
    """

    def __init__(
        self,
        worker: ChatModel,
        store: Path | None,
        *,
        prefer: Prefer = "auto",
        hosts: Sequence[str] = (),
        runtime: str | None = None,
        size: int | None = None,
    ) -> None:
        """`worker` is closed with the gym. Without a `store` nothing is recorded. The rest is as
        `sandbox.open_sandbox` has it.
        """
        self._worker, self._store = worker, store
        self.sandboxes = Sandboxes(prefer, guest_modules(), hosts=hosts, runtime=runtime, size=size)
        self._stack = AsyncExitStack()
        self._recorder: Recorder | None = None
        self._working: set[asyncio.Task[Any]] = set()
        self._verdicts = SharedVerdicts()

    async def __aenter__(self) -> Self:
        """Raises SandboxError and StoreError where the sandbox or the store cannot be opened."""
        try:
            await self._stack.__aenter__()
            self._stack.push_async_callback(self._worker.aclose)
            await self._stack.enter_async_context(self.sandboxes)
            await self.sandboxes.open()
            if self._store is not None:
                self._recorder = await self._stack.enter_async_context(Recorder(self._store))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.cancel()
        await self._stack.aclose()

    async def cancel(self) -> None:
        """End everything that runs, and wait until it has ended."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def rollouts(self, requests: Sequence[Request], concurrency: int | None = None) -> list[Rollout]:
        """Carry out the requests, at most `concurrency` at a time; returns the rollouts in their order.

        A rollout that fails is a result. Those of one call share the verdicts on equal solutions. Raises
        StoreError where events cannot be stored; the other rollouts are ended first.
        """
        if not self._working:
            self._verdicts = SharedVerdicts()
        lanes = min(concurrency or len(requests), len(requests))
        desks = {one.policy.source for one in requests if isinstance(one.policy.source, Desk)}
        for desk in desks:
            desk.enter(lanes)
        remaining = iter(list(enumerate(requests)))
        by_number: dict[int, Rollout] = {}

        async def lane() -> None:
            try:
                for number, request in remaining:
                    by_number[number] = await request.carry_out(self)
            finally:
                for desk in desks:
                    desk.leave()

        tasks = [asyncio.ensure_future(lane()) for _ in range(lanes)]
        self._working.update(tasks)
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._working.difference_update(tasks)
        return [by_number[number] for number in range(len(requests))]

    async def run(
        self,
        problem: Problem,
        meta_agent: ChatModel,
        config: RunConfig,
        origin: Origin,
        reading: Reader,
        *,
        job: Job | None = None,
        final: bool = False,
    ) -> str:
        """One run of a rollout, its events given to `reading` once they are stored; returns its id.

        `final` scores it on `test` at the end, which no reward may look at. Raises StoreError where its
        events cannot be stored.
        """
        services = Services(meta_agent, self._worker, await self._sandbox(), open_image=self._sandbox)
        config = replace(config, final=final, deltas=False)
        run = Run(problem, config, services, job=job, origin=origin)
        events = run.events() if self._recorder is None else recorded(run, self._recorder)
        async with aclosing(events) as stream:
            async for event in stream:
                reading.add(event)
        return run.id

    async def _sandbox(self, image: str = "core") -> Sandbox:
        return SharingSandbox(await self.sandboxes.open(image), self._verdicts)


class Reading:
    """What a rollout comes to, read from its run's events and the policy's calls."""

    def __init__(self, policy: PolicyModel) -> None:
        self._policy = policy
        self._round = 0
        self._calls: list[tuple[str, int]] = []  # id and round, in the order they began
        self._proposals: dict[str, WorkflowProposed] = {}  # by call
        self._last: dict[int, WorkflowProposed] = {}  # by round
        self._rounds: list[RoundFinished] = []
        self.end: RunFinished | None = None

    def add(self, event: Event) -> None:
        """Take the run's next event."""
        match event:
            case RoundStarted():
                self._round = event.round
            case ModelCallStarted(role="meta"):
                self._calls.append((event.call_id, self._round))
            case WorkflowProposed():
                self._last[event.round] = event
                if event.call_id is not None:
                    self._proposals[event.call_id] = event
            case RoundFinished():
                self._rounds.append(event)
            case RunFinished():
                self.end = event
            case _:
                pass

    def rollout(self, run_id: str, origin: Origin, instances: Sequence[InstanceOutcome] = ()) -> Rollout:
        """The rollout, once the run's last event was added."""
        assert self.end is not None  # the last event of every run
        return Rollout(
            run_id,
            origin,
            self.end.status,
            self.end.error,
            tuple(self._outcome(one) for one in self._rounds),
            tuple(self.calls()),
            tuple(instances),
        )

    def calls(self) -> list[Call]:
        """The policy's calls that were answered, with their rounds and what became of their replies."""
        out: list[Call] = []
        for (call_id, number), asked in zip(self._calls, self._policy.calls, strict=True):
            if asked is None:
                continue
            proposal, generated = self._proposals.get(call_id), asked.generated
            out.append(
                Call(
                    number,
                    asked.prompt,
                    generated.ids,
                    generated.logps,
                    generated.temperature,
                    (proposal.turn if proposal else None) or "reply",
                    None if proposal is None else proposal.workflow_id is not None,
                    asked.thought,
                    generated.version,
                )
            )
        return out

    def _outcome(self, end: RoundFinished) -> RoundOutcome:
        last = self._last.get(end.round)
        return RoundOutcome(
            end.round,
            end.score,
            end.workflow_id is not None,
            last.complexity if last else 0,
            end.workflow_id,
            last.code if last else "",
            last.prompts if last else "",
        )


class GymThread:
    """A gym in an event loop and a thread of its own, for a trainer that is not a coroutine.

    A context manager: leaving it closes the gym.
    """

    def __init__(self, gym: Gym) -> None:
        self.gym = gym
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)

    def __enter__(self) -> Self:
        """Raises SandboxError and StoreError where the sandbox or the store cannot be opened."""
        self._thread.start()
        try:
            self._call(self.gym.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._call(self.gym.__aexit__(*exc))
        finally:
            self._stop()

    def start(self, requests: Sequence[Request], concurrency: int | None = None) -> Future[list[Rollout]]:
        """Begin rollouts, as `Gym.rollouts`.

        Their calls come to the desk; the future gives the rollouts at the end.
        """
        return asyncio.run_coroutine_threadsafe(self.gym.rollouts(requests, concurrency), self._loop)

    def containers(self) -> set[str]:
        """The ids of the sandbox's containers that are alive now."""

        async def ids() -> set[str]:
            pool = await self.gym.sandboxes.open()
            return {ident for host in pool.hosts for ident in host.containers}

        return self._call(ids())

    def elsewhere(self) -> None:
        """What another process has used for this gym: it has none."""

    def soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Call something in the gym's thread."""
        self._loop.call_soon_threadsafe(call, *arguments)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
