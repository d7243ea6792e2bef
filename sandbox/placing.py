"""Where a request or a session goes: the least loaded host, another one after a failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from sandbox.hosts import SandboxHost
from sandbox.types import SandboxError
from sandbox.worker import Worker

_DAEMON_BACK_WITHIN_S = 20.0  # a restart of Docker takes a few seconds
_ASK_AGAIN_S = 0.2
_PASSING = ("daemon-down", "container-lost", "no-docker")  # what a restart of Docker looks like meanwhile


class Fleet:
    """The hosts of a pool."""

    def __init__(self, hosts: list[SandboxHost]) -> None:
        self.hosts = hosts
        self.closed = False

    @contextlib.asynccontextmanager
    async def worker(self, avoid: SandboxHost | None = None) -> AsyncIterator[tuple[SandboxHost, Worker]]:
        """A worker for one request. `avoid` has just failed: another host, or a fresh worker of it.

        Raises:
            SandboxError: none could be started anywhere.
        """
        host, worker = await self._place(lambda host: host.take(fresh=avoid is not None), avoid)
        try:
            yield host, worker
        except BaseException:
            worker.clean = False
            raise
        finally:
            host.give_back(worker)

    @contextlib.asynccontextmanager
    async def seat(self) -> AsyncIterator[Worker]:
        """A worker that sessions share, with room for one more of them.

        Raises:
            SandboxError: none could be started anywhere.
        """
        host, worker = await self._place(SandboxHost.join, None)
        try:
            yield worker
        finally:
            await host.leave(worker)

    async def _place(
        self, ask: Callable[[SandboxHost], Awaitable[Worker]], avoid: SandboxHost | None
    ) -> tuple[SandboxHost, Worker]:
        """What `ask` gets from the least loaded host that can give it.

        A daemon that is away is waited for, since Docker being restarted should not end a run; so is one
        that is going away, which still answers, with errors or with containers that end at once.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DAEMON_BACK_WITHIN_S
        while True:
            last: SandboxError | None = None
            for host in sorted(self.hosts, key=lambda host: (host.down, host is avoid, host.load)):
                if self.closed:
                    raise SandboxError("container-lost", "the sandbox is closed")
                try:
                    return host, await ask(host)
                except SandboxError as error:
                    last = error
            assert last is not None  # there is at least one host
            if last.reason not in _PASSING or loop.time() > deadline:
                raise last
            await asyncio.sleep(_ASK_AGAIN_S)
