"""An engine in a process of its own: runs started there go on when whoever started them leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from tui.service.engine_process.server import Server

if TYPE_CHECKING:
    from tui.service.requests import ExperimentRequest, Placement, RunRequest
    from tui.service.runtime import Runtime

# An engine ends after this long without a connection and without a run.
IDLE_S = 60.0


class Engine:
    """Runs what it is asked to run and nothing else; ends when it has been idle, or is told to."""

    def __init__(self, runtime: Runtime, *, idle_s: float = IDLE_S) -> None:
        self._runtime, self._idle_s = runtime, idle_s
        self._runs: set[asyncio.Task[None]] = set()
        self._server = Server(
            runtime.store_path,
            runtime.hub,
            self._start,
            lambda: runtime.sandbox_note,
            self._start_experiment,
        )

    async def serve(self, ready_fd: int | None = None) -> None:
        """Answer until idle; on SIGTERM or SIGINT, cancel the runs and record their ends.

        `ready_fd` is a pipe that gets the socket's path and this process's id as JSON, once requests are
        answered. Raises EngineError where the socket cannot be made.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            async with self._server as server:
                if ready_fd is not None:
                    os.write(ready_fd, json.dumps({"socket": str(server.path), "pid": os.getpid()}).encode())
                    os.close(ready_fd)
                await self._until_idle(stop)
                for task in self._runs:
                    task.cancel()
                await asyncio.gather(*self._runs, return_exceptions=True)
        finally:
            await self._runtime.aclose()

    async def _until_idle(self, stop: asyncio.Event) -> None:
        idle = False
        while not stop.is_set():
            busy = bool(self._runs or self._server.connections)
            if idle and not busy:
                return
            idle = not busy
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._idle_s)

    async def _start(self, request: RunRequest) -> str:
        """Start a run; gives its id once its beginning is stored, so that it can be attached to."""
        from tui.service.asked.open import open_run

        run = await open_run(self._runtime, request)
        begun = asyncio.Event()

        async def drive() -> None:
            try:
                async with aclosing(self._runtime.record(run)) as events:
                    async for _ in events:
                        begun.set()
            finally:
                begun.set()

        await self._in_background(drive(), begun)
        return run.id

    async def _start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        """Start an experiment; gives its name once its plan is stored and it can be attached to."""
        from tui.service.errors import internal
        from tui.service.experiments.carry import open_experiment
        from tui.service.experiments.prepare import prepare

        runtime = self._runtime
        prepared = await asyncio.to_thread(prepare, runtime.settings, runtime.store_path, request)
        begun = asyncio.Event()

        async def drive() -> None:
            try:
                async with open_experiment(runtime, prepared, placement, internal) as experiment:
                    begun.set()  # whoever waits for it goes on once the next line has made it known
                    await runtime.hub.experiments.carry_out(experiment)
            finally:
                begun.set()

        await self._in_background(drive(), begun)
        return prepared.plan.name

    async def _in_background(self, work: Coroutine[Any, Any, None], begun: asyncio.Event) -> None:
        """Let it run until its end, and return when it has begun. Raises why it could not even begin."""
        task = asyncio.create_task(work)
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)
        await begun.wait()
        if task.done():
            task.result()
