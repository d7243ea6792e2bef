"""One warm container with its runner: requests to it, and whether it may serve another."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Mapping
from typing import Any, Protocol

from sandbox import files, labels
from sandbox.channel import Channel, Report, Transport
from sandbox.crowd import Crowd
from sandbox.guest import codec, values
from sandbox.guest.places import SEATS
from sandbox.types import Callback, Limits, Outcome, SandboxError, TestResult, Usage, Verdict

MAX_REQUESTS = 1000  # making a container costs as much as forty checks: at 200 that was a fifth of the work
MAX_AGE_S = 30 * 60.0
UIDS = 16_384  # per container; two or three a request
_UID_FLOOR, _UID_BLOCKS = 1 << 20, 100_000
_INSIDE_FLOOR = 10_000  # bubblewrap: inside a namespace of its own, any block will do
_DECODED_AT_ONCE = 16 << 10  # bytes of a value; a larger one would hold up the loop
_blocks = itertools.count(random.SystemRandom().randrange(_UID_BLOCKS))


class Backend(Protocol):
    """A way to start containers."""

    name: str
    stamp: str  # how results say what they ran in
    description: str
    own_uids: bool
    size: int  # containers that may work at once

    async def start(self) -> Transport:
        """A new container with its runner started. Raises SandboxError where it cannot be started."""
        ...


class Worker:
    """A container in the pool. Not clean any more after an ending that may have left something."""

    def __init__(self, backend: Backend, channel: Channel) -> None:
        self.backend = backend
        self.channel = channel
        self.clean = True
        self.requests = 0
        self.sessions = 0  # that share it
        self.seats = list(range(SEATS))  # those that are free
        self.crowd = Crowd()  # the calls of its sessions
        self.born = time.monotonic()

    @classmethod
    async def start(cls, backend: Backend, modules: Mapping[str, str]) -> Worker:
        """Start one and wait until its runner answers.

        Raises:
            SandboxError: it could not be started.
        """
        channel = Channel(await backend.start())
        try:
            await channel.open(
                {
                    "modules": dict(modules),
                    "uid_base": _uid_base(backend),
                    "uid_count": UIDS,
                    "own_uids": backend.own_uids,
                    "lifetime_s": labels.LIFETIME_S,
                }
            )
        except BaseException:
            await channel.close()
            raise
        return cls(backend, channel)

    @property
    def id(self) -> str:
        """The id of its container."""
        return self.channel.transport.container_id

    @property
    def reusable(self) -> bool:
        """Whether it may take another request."""
        young = time.monotonic() - self.born < MAX_AGE_S and self.requests < MAX_REQUESTS
        return self.clean and young and not self.channel.lost and not self.channel.dirty

    async def outcome(
        self, body: Mapping[str, Any], limits: Limits, callback: Callback | None = None
    ) -> Outcome:
        """Run a call or a program. Raises SandboxError where the container, not the code in it, failed."""
        answer = await self._request(body, limits, callback)
        report, value = answer.head, None
        try:
            if report["status"] == "passed":
                value = await _decoded(answer.value)
        except codec.MalformedError as error:
            report.update(status="failed", reason="not-plain-data", message=str(error))
        usage = _usage(report)
        if report["by_kernel"] and self._crowded_out(usage, limits):
            why = "other sessions used up the container's memory: the call has to be made again elsewhere"
            raise SandboxError("container-lost", why, out_of_memory=True)
        found, refused = files.from_guest(answer.files)
        return Outcome(
            status=report["status"],
            reason=report["reason"],
            message=report["message"],
            value=value,
            stdout=report["stdout"],
            stderr=report["stderr"],
            usage=usage,
            files=found,
            refused=refused,
            sandbox=self.backend.stamp,
        )

    def _crowded_out(self, usage: Usage, limits: Limits) -> bool:
        """Whether a call that the kernel ended for memory had neighbours, and held little of it itself."""
        return self.sessions > 1 and usage.max_rss_kb < limits.memory_mb * 1024 // 4

    async def verdict(self, body: Mapping[str, Any], limits: Limits) -> Verdict:
        """Run tests. Raises SandboxError where the container, not the code in it, failed."""
        report = (await self._request(body, limits, None)).head
        return Verdict(
            status=report["status"],
            reason=report["reason"],
            message=report["message"],
            tests=tuple(TestResult(**test) for test in report["tests"]),
            mode=report["mode"],
            sandbox=self.backend.stamp,
            stdout=report["stdout"],
            stderr=report["stderr"],
            usage=_usage(report),
        )

    async def _request(self, body: Mapping[str, Any], limits: Limits, callback: Callback | None) -> Report:
        self.requests += 1
        try:
            answer = await self.channel.request(body, dataclasses.asdict(limits), callback)
        except BaseException:
            self.clean = False
            raise
        report = answer.head
        if (
            not report["clean"]
            or report["status"] not in ("passed", "failed")
            or report["reason"] == "signal"
        ):
            self.clean = False
        if report["status"] == "infra":
            reason = "busy" if report["reason"] == "busy" else "protocol"
            raise SandboxError(reason, f"the sandbox could not run the code: {report['message']}")
        return answer

    async def close(self) -> None:
        """Remove the container."""
        self.clean = False
        await self.channel.close()


async def _decoded(value: bytes) -> Any:
    """A value that a guest sent. Raises codec.MalformedError."""
    if len(value) <= _DECODED_AT_ONCE:
        return values.loads(value)
    return await asyncio.to_thread(values.loads, value)


def _usage(report: Mapping[str, Any]) -> Usage:
    return Usage(**(report["usage"] or {}))


def _uid_base(backend: Backend) -> int:
    """A block of uids of the container's own: the kernel counts processes per uid over all containers."""
    if backend.name == "bwrap":
        return _INSIDE_FLOOR
    return _UID_FLOOR + next(_blocks) % _UID_BLOCKS * UIDS
