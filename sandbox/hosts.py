"""The warm workers of one backend: kept for the next wave, spares made ahead, a back-off when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from sandbox import reaper
from sandbox.demand import HighWater
from sandbox.docker_backend import DockerBackend
from sandbox.guest.places import SEATS
from sandbox.types import SandboxError
from sandbox.worker import Backend, Worker

SESSIONS_EACH = SEATS  # in one container
_SESSIONS_ALONE = 4  # containers for each that works, where every session has one to itself
_SPARES = 1
_SHRINK_EVERY_S = 30.0
_REAP_EVERY_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0


class SandboxHost:
    """Containers of one backend: those at work, and those that wait for it.

    Work comes in waves (the rollouts of a training step, then none for minutes), and making a container
    costs as much as forty checks. So as many are kept as were in use at once in the last minutes, and when
    it gets quiet they go one by one. Only sessions, which keep theirs for long, have one made ahead.
    """

    def __init__(
        self,
        backend: Backend,
        modules: Mapping[str, str],
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self.size = size
        self.most = 2 * size  # that may live: `size` with sessions, and as many with checks
        # The first is the next to serve: it had the most time to clean up and to fork ahead.
        self.idle: list[Worker] = []
        self.busy = 0
        self.down = False  # the last container that was wanted could not be started
        # Sessions mostly wait for a model: that takes a few megabytes each, and no core. Without uids of
        # their own they could end each other, so that none shares a container.
        self._each = SESSIONS_EACH if backend.own_uids else 1
        self.max_sessions = size * (SESSIONS_EACH if backend.own_uids else _SESSIONS_ALONE)
        self._seats: set[Worker] = set()  # containers that sessions share
        self._joining = asyncio.Lock()
        self._modules = modules
        self._demand = HighWater(clock)
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refilling = False
        self._coming: asyncio.Future[Worker | None] | None = None  # a spare on its way, not claimed yet
        self._closed = False

    @property
    def containers(self) -> set[str]:
        """The ids of the containers that are alive."""
        return {worker.id for worker in self._all}

    @property
    def load(self) -> float:
        """How busy it is: requests, and sessions as parts of a container, per container of its size."""
        sessions = sum(worker.sessions for worker in self._seats)
        return (self.busy + sessions / SESSIONS_EACH) / self.size

    async def open(self) -> None:
        """Start the first container, so that a host that cannot work says so at once.

        Raises:
            SandboxError: it could not be started, or a guest module does not import.
        """
        self.idle.append(await self._new())
        self._background(self._shrink_forever())
        if isinstance(self.backend, DockerBackend):
            self._background(_reap_forever(self.backend))

    async def close(self) -> None:
        """Remove every container, those in use included."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._all), return_exceptions=True)
        self._all.clear()
        self.idle.clear()

    async def take(self, *, fresh: bool) -> Worker:
        """A worker to use, which must be given back; with `fresh`, one that has served nobody.

        Raises SandboxError where none is warm and none can be started.
        """
        self._set_busy(self.busy + 1)
        try:
            while self.idle and not fresh:
                worker = self.idle.pop(0)
                if worker.reusable:
                    return worker
                self._discard(worker)
            return await self._claimed() or await self._new()
        except BaseException:
            self._set_busy(self.busy - 1)
            self._refill()  # which goes on until one can be started again
            raise

    def give_back(self, worker: Worker) -> None:
        """Return a worker: it is kept for the next request, unless it may serve none or there are enough."""
        self._set_busy(self.busy - 1)
        if self._closed:
            return
        if worker.reusable and self.living < self._wanted:
            self.idle.append(worker)
        else:
            self._discard(worker)
            self._refill()

    def shrink(self) -> None:
        """Remove one worker if there have been too many for long, and replace those that grew too old."""
        for worker in [worker for worker in self.idle if not worker.reusable]:
            self.idle.remove(worker)
            self._discard(worker)
        if self.idle and self.living > self._wanted:
            self._discard(self.idle.pop(0))
        self._refill()

    async def join(self) -> Worker:
        """A worker with room for one more session, which must be left.

        It spreads over containers that are warm, up to `size`; none is started while there is room.

        Raises:
            SandboxError: a container was needed and none could be started.
        """
        async with self._joining:  # so that a crowd that comes at once does not start a container each
            roomy = [w for w in self._seats if w.reusable and w.sessions < self._each]
            if roomy and (not self.idle or len(self._seats) >= self.size):
                worker = min(roomy, key=lambda worker: worker.sessions)
            else:
                worker = await self.take(fresh=False)
                self._seats.add(worker)
                self._refill()
            worker.sessions += 1
            return worker

    async def leave(self, worker: Worker) -> None:
        """A session ended; the last one of a container gives it back, if it is as good as new."""
        worker.sessions -= 1
        if worker.sessions:
            return
        self._seats.discard(worker)
        try:
            if worker.reusable and await worker.channel.probe() is not None:
                worker.clean = False
        except BaseException:
            worker.clean = False
            raise
        finally:
            self.give_back(worker)

    @property
    def living(self) -> int:
        """Containers at work, being started for work, and waiting for it."""
        return self.busy + len(self.idle)

    @property
    def _wanted(self) -> int:
        return min(self._demand.mark + _SPARES, self.most)

    def _set_busy(self, count: int) -> None:
        self.busy = count
        self._demand.note(count)

    async def _claimed(self) -> Worker | None:
        """The spare that is on its way, unless there is none, or it does not come."""
        coming, self._coming = self._coming, None
        if coming is None:
            return None
        try:
            return await coming
        except asyncio.CancelledError:
            if not coming.cancelled() and (worker := coming.result()) is not None:  # it came at this moment
                self._discard(worker)
            raise

    async def _new(self) -> Worker:
        try:
            worker = await Worker.start(self.backend, self._modules)
        except SandboxError:
            self.down = True
            raise
        if self._closed:
            await worker.close()
            raise SandboxError("container-lost", "the sandbox is closed")
        self.down = False
        self._all.add(worker)
        worker.channel.on_lost = lambda: self._lost(worker)
        return worker

    def _lost(self, worker: Worker) -> None:
        """Replace a spare that ended while nobody used it; one at work is its user's to give back."""
        if worker in self.idle and not self._closed:
            self.idle.remove(worker)
            self._discard(worker)
            self._refill()

    def _refill(self) -> None:
        """Have a spare ready or on its way."""
        if not self._closed and self._lacks_spares and not self._refilling:
            self._refilling = True
            self._background(self._add_spares())

    @property
    def _lacks_spares(self) -> bool:
        """Whether sessions have all there are: one that a check uses will soon be there for the next."""
        spare = self.living - len(self._seats)
        return (self.down or spare < _SPARES) and self.living < self.most

    async def _add_spares(self) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while self._lacks_spares:
                if await self._add_spare():
                    pause = _FIRST_PAUSE_S
                else:  # whoever needs one now is told; here it is tried again
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
        finally:
            self._refilling = False

    async def _add_spare(self) -> bool:
        """Whether one could be started. It is for whoever claimed it meanwhile, else it waits."""
        coming = self._coming = asyncio.get_running_loop().create_future()
        worker = None
        try:
            worker = await self._new()
        except SandboxError:
            return False
        finally:
            if self._coming is coming:
                self._coming = None
                coming.cancel()
            if not coming.done():
                coming.set_result(worker)
            elif worker is not None and self.living < self.most:
                self.idle.append(worker)
            elif worker is not None:  # others were started meanwhile, for requests that could not wait
                self._discard(worker)
        return True

    async def _shrink_forever(self) -> None:
        while True:
            await asyncio.sleep(_SHRINK_EVERY_S)
            self.shrink()

    def _discard(self, worker: Worker) -> None:
        self._all.discard(worker)
        self._background(worker.close())

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _reap_forever(backend: DockerBackend) -> None:
    while True:
        await asyncio.sleep(_REAP_EVERY_S)
        with contextlib.suppress(Exception):  # housekeeping: a daemon that is away is another's error
            await asyncio.to_thread(reaper.reap, backend.client)
