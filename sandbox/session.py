"""A workflow's place in a container."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from sandbox import files as file_transfer
from sandbox.crowd import Party
from sandbox.guest import codec
from sandbox.types import Callback, Limits, Outcome, Waiting
from sandbox.worker import Worker


class PooledSession:
    """A place on a worker, perhaps beside other sessions; implements `sandbox.types.Session`."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._seat = worker.seats.pop()
        self.container_id = worker.id
        self._party = Party()

    def leave(self) -> None:
        """Free its place. Something of it may still run, so the container then serves no others."""
        self._worker.seats.append(self._seat)
        if self._party.size:
            self._worker.clean = False

    async def probe(self) -> str | None:
        """What is not as in a fresh, idle container, in one line; None when nothing."""
        return await self._worker.channel.probe()

    async def call(
        self,
        entry: str,
        args: Mapping[str, Any],
        *,
        callback: Callback,
        limits: Limits,
        files: Mapping[str, bytes] | None = None,
        collect: Sequence[str] = (),
        waiting: Waiting = nullcontext,
    ) -> Outcome:
        """Run a guest function, once there is room for it; see `sandbox.types.Session`.

        Raises:
            SandboxError: the container is lost.
            FileNameError, ValueError: names or sizes of files that cannot be sent.
        """
        body = {"kind": "call", "entry": entry, "args": codec.encode(dict(args)), "seat": self._seat}
        body |= with_files(files, collect)
        async with contextlib.AsyncExitStack() as stack:
            with waiting():
                await stack.enter_async_context(self._worker.crowd.join(self._party))
            return await self._worker.outcome(body, limits, callback)


def with_files(files: Mapping[str, bytes] | None, collect: Sequence[str]) -> dict[str, Any]:
    """The part of a request's body that says which files go in and which come out.

    Raises FileNameError or ValueError where their names or sizes are not allowed.
    """
    return {"files": file_transfer.for_guest(files or {}), "collect": file_transfer.patterns(collect)}
