"""The process in a session that carries out operators: several steps one after another, each on its own."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from typing import Any

from engine.operators.specs import OperatorSpec
from sandbox.guest.schema import Anything, Number, Record, SchemaError
from sandbox.types import Callback, CallbackError, Limits, Outcome, SandboxError, Session, Usage, Waiting

# An operator waits for models, and while the run is paused, so its wall limit is kept by a clock of its own
# (`engine.run.steps`); its CPU use is limited in the container.
STEP_LIMITS = Limits(wall_s=24 * 3600.0, cpu_s=20.0)
# A process that has done this much is not given another step: its limits are those of all its steps together.
_STEPS_EACH = 100
_USED_MS = 1000.0
_NEXT = Record({"value": Anything(), "cpu_ms": Number(0)})


class StepProcesses:
    """Carries out steps of one execution, of which some may be in progress at once.

    Starting a process is most of what a step costs, so the last one that is free stays for the next step.
    Only the project's own operators share one: they keep nothing between two steps.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._idle: _StepProcess | None = None

    async def run(
        self,
        spec: OperatorSpec,
        kwargs: dict[str, Any],
        requests: Callback,
        waiting: Waiting = nullcontext,
    ) -> Outcome:
        """What came of the operator; `requests` answers what it asks of the host, and `waiting` is for while
        there is no room for its process. Cancelling ends it.

        Raises SandboxError where the container, not the operator, failed.
        """
        process = None
        if spec.source is None:
            process, self._idle = self._idle, None
        if process is not None and not process.free:  # it was lost meanwhile
            await process.end()
            process = None
        process = process or _StepProcess(self._session)
        outcome = await process.run(spec.to_step(kwargs), requests, waiting)
        if self._idle is None and process.free:
            self._idle = process
        else:
            await process.end()
        return outcome

    async def close(self) -> None:
        """End the process that is left. Nothing may be in progress."""
        if self._idle is not None:
            await self._idle.end()
            self._idle = None


class _StepProcess:
    """One process, from its first step to its end. An end while it is at a step is that step's outcome."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._work: asyncio.Task[Outcome] | None = None
        self._requests: Callback | None = None  # those of the step it is at
        self._result: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._next: asyncio.Future[dict[str, Any] | None] | None = (
            None  # what it waits for when it is at none
        )
        self._steps = 0
        self._cpu_ms = 0.0

    @property
    def free(self) -> bool:
        """Whether it waits for a step and may be given one."""
        fresh = self._steps < _STEPS_EACH and self._cpu_ms < _USED_MS
        waits = self._next is not None and not self._next.done()
        return fresh and waits and self._work is not None and not self._work.done()

    async def run(self, step: dict[str, Any], requests: Callback, waiting: Waiting) -> Outcome:
        """Carry out a step. Raises SandboxError; cancelling ends the process."""
        self._steps += 1
        self._requests, self._result = requests, asyncio.get_running_loop().create_future()
        if self._next is not None:
            self._next.set_result(step)
            self._next = None
        else:
            call = self._session.call(
                "engine.guest.operator:main",
                step,
                callback=self._answer,
                limits=STEP_LIMITS,
                waiting=waiting,
            )
            self._work = asyncio.ensure_future(call)
        assert self._work is not None
        try:
            await asyncio.wait({self._work, self._result}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._kill(self._work)
            raise
        finally:
            self._requests = None
        return self._result.result() if self._result.done() else self._work.result()

    async def end(self) -> None:
        """Let it end, if it has not: it waits for a step. What comes of that is nobody's any more."""
        if self._work is None:
            return
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        try:
            await asyncio.wait({self._work})
        except asyncio.CancelledError:
            await self._kill(self._work)
            raise
        if not self._work.cancelled():
            self._work.exception()  # retrieved: a container that was lost meanwhile fails the next step

    async def _answer(self, method: str, args: dict[str, Any]) -> Any:
        """Answer a request of the process. Raises CallbackError where it is malformed, or its step's does."""
        if self._requests is None:
            raise CallbackError("usage", f"{method!r} was called outside a step")
        if method != "next":
            return await self._requests(method, args)
        try:
            _NEXT.check(args, method)
        except SchemaError as error:
            raise CallbackError("usage", str(error)) from None
        used, self._cpu_ms = float(args["cpu_ms"]) - self._cpu_ms, float(args["cpu_ms"])
        self._requests, self._next = None, asyncio.get_running_loop().create_future()
        self._result.set_result(Outcome("passed", value=args["value"], usage=Usage(cpu_ms=max(used, 0.0))))
        return await self._next

    async def _kill(self, work: asyncio.Task[Outcome]) -> None:
        work.cancel()
        with suppress(asyncio.CancelledError, CallbackError, SandboxError):
            await work
