"""An engine in a process of its own: runs started there go on when whoever started them leaves."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreasoner import CLI, command

from tui.service.engine_process.server import Server
from tui.service.engine_process.sockets import EngineError, folder

if TYPE_CHECKING:
    from tui.service.requests import ExperimentRequest, Placement, RunRequest
    from tui.service.runtime import Runtime

# An engine nobody is connected to and nothing runs in ends after this.
IDLE_S = 60.0
# It takes a second or two; on a machine that is very busy, much longer.
START_S = 60.0


class Engine:
    """Runs what it is asked to and nothing else; ends when it has been idle, or is told to."""

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
        """Answer until idle; on SIGTERM, cancel the runs, with their ends recorded. Raises EngineError."""
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


def spawn(store: Path) -> Path:
    """Start an engine in a session of its own, with this process's environment; gives its socket.

    Raises EngineError, with the last line that it printed, when it does not come up within START_S.
    """
    ready, theirs = os.pipe()
    try:
        try:
            process, log = _start(store, theirs)
        finally:
            os.close(theirs)
        # It usually outlives this process. Where it does not, only its parent can have it go: until the end
        # is waited for, it stays in the list of processes.
        threading.Thread(target=process.wait, name=f"engine {process.pid}", daemon=True).start()
        said = _read_all(ready, START_S)
    except OSError as error:
        raise EngineError(f"an engine cannot be started: {error.strerror or error}") from None
    finally:
        os.close(ready)
    if said:
        return Path(json.loads(said)["socket"])
    process.kill()
    process.wait()
    raise EngineError(_reason(log, None if said is None else process.returncode))


def _start(store: Path, ready_fd: int) -> tuple[subprocess.Popen[bytes], Path]:
    """The process, and the file for what it prints: its own, named like its socket. Raises OSError."""
    place = folder(store)
    with tempfile.NamedTemporaryFile(dir=place, delete=False) as output:
        try:
            process = subprocess.Popen(
                command(CLI, "engine", "--ready-fd", str(ready_fd), "--store", str(store)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(ready_fd,),
                start_new_session=True,
            )
        except OSError:
            Path(output.name).unlink()
            raise
    return process, Path(output.name).rename(place / f"{process.pid}.log")


def _read_all(fd: int, within_s: float) -> bytes | None:
    """What comes until the other side closes the pipe, or None where it does not in this time."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    ends = time.monotonic() + within_s
    said = b""
    while waiting.poll(max(0.0, ends - time.monotonic()) * 1000):
        if not (more := os.read(fd, 4096)):
            return said
        said += more
    return None


def _reason(log: Path, code: int | None) -> str:
    """Why an engine did not come up; `code` is its exit status, or None where it had to be ended.

    What it printed is kept where that is more than can be told in a sentence.
    """
    what = f"the engine did not answer within {START_S:.0f} s" if code is None else "the engine ended at once"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if len(lines) > 1:
        return f"{what}: {lines[-1]} (all that it printed is in {log})"
    log.unlink(missing_ok=True)
    silent = "it printed nothing" if code is None else f"exit status {code}"
    return f"{what}: {lines[0] if lines else silent}"
