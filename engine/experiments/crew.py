"""The workers that carry out an experiment's trials outside this process, wherever they run."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Generic, TypeVar

from engine.experiments.cluster_error import ClusterError

CLOSE_S = 30.0  # for a worker to remove its containers


class LostWorkerError(Exception):
    """A worker process or its machine went away during a call."""


class Worker(ABC):
    """A worker process on the machine `host`. `busy` counts the trials it is carrying out."""

    def __init__(self) -> None:
        self.host = ""
        self.busy = 0

    @abstractmethod
    async def ask(self, method: str, *args: object) -> Any:
        """The reply of a method of `engine.experiments.trial_worker.TrialWorker`.

        Raises LostWorkerError where the worker went away, and ClusterError where the method failed or nothing
        reaches the workers any more.
        """

    @abstractmethod
    def kill(self) -> None:
        """End it at once."""


W = TypeVar("W", bound=Worker)


class Workers(ABC, Generic[W]):
    """The workers of an experiment: as many as there is room for, but no more than trials at once.

    A worker that dies is replaced. Use as an async context manager: leaving it ends them.
    """

    what: str  # one of them, in sentences

    def __init__(
        self, concurrency: int, models: Sequence[tuple[str, str]], report: Callable[[str], object]
    ) -> None:
        """Each worker opens `models`, pairs of meta-agent and worker, before it gets a trial; `report` is
        called with a sentence about each worker that cannot.
        """
        self._models, self._report, self._concurrency = list(models), report, concurrency
        self._members: list[W] = []
        self._hiring: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._seats, self._why_none = 1, ""

    async def __aenter__(self) -> Workers[W]:
        """Returns once a worker is ready. Raises ClusterError where none can be used."""
        count = max(1, min(self._concurrency, await self._room()))
        self._seats = -(-self._concurrency // count)
        for _ in range(count):
            self._hire()
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._members or not self._hiring)
            self._check()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._hiring:
            task.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        await asyncio.gather(*(self._close(member) for member in self._members))
        self._members.clear()

    @asynccontextmanager
    async def member(self) -> AsyncGenerator[W, None]:
        """The worker with the fewest trials, once one has room for another. Raises ClusterError where no
        worker is left.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._free() or not (self._members or self._hiring))
            self._check()
            member = min(self._free(), key=lambda m: m.busy)
            member.busy += 1
        try:
            yield member
        finally:
            member.busy -= 1
            async with self._changed:
                self._changed.notify_all()

    def lost(self, member: W) -> None:
        """Kill a worker that died or does not answer, and start another in its place."""
        if member in self._members:
            self._members.remove(member)
            member.kill()
            self._hire()

    @abstractmethod
    async def _room(self) -> int:
        """How many workers there can be."""

    @abstractmethod
    async def _start(self, seats: int) -> W:
        """A new worker, which is to carry out so many trials at once. It may raise anything."""

    def _why(self, error: Exception) -> str:
        """A sentence on why a worker could not be started or introduced."""
        return str(error) or type(error).__name__

    def _free(self) -> list[W]:
        return [m for m in self._members if m.busy < self._seats]

    def _check(self) -> None:
        if not self._members and not self._hiring:
            raise ClusterError(f"no {self.what} can carry trials out: {self._why_none}")

    def _hire(self) -> None:
        task = asyncio.create_task(self._welcome())
        self._hiring.add(task)

    async def _welcome(self) -> None:
        """Start a worker and let it open what trials need."""
        task = asyncio.current_task()
        assert task is not None  # `_hire`
        member, why = None, ""
        try:
            member = await self._start(self._seats)
            why = await self._introduced(member)
        # The edge to a library: whatever it raises, the callers that wait for a worker must be woken.
        except Exception as error:  # noqa: BLE001
            why = self._why(error)
        finally:
            self._hiring.discard(task)
            if member is not None and (why or not member.host):
                member.kill()
        async with self._changed:
            if why:
                self._why_none = why
                self._report(f"a {self.what} is left out: {why}")
            elif member is not None:
                self._members.append(member)
            self._changed.notify_all()

    async def _introduced(self, member: W) -> str:
        """Why the worker cannot be used, or "". Raises as `Worker.ask`."""
        about = await member.ask("hello", self._models)
        member.host = about["host"]
        if about["version"] != version("flowreasoner"):
            here = version("flowreasoner")
            return f"{member.host} has flowreasoner {about['version']}, this is {here}; install the same"
        return f"on {member.host}: {about['failure']}" if "failure" in about else ""

    async def _close(self, member: W) -> None:
        try:
            await asyncio.wait_for(member.ask("close"), CLOSE_S)
        except (LostWorkerError, ClusterError, TimeoutError):
            pass
        finally:
            member.kill()
