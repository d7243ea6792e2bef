"""The sandbox as its users see it: requests placed on warm containers of one host or several."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from sandbox.backends import Prefer, choose_backends, recipe
from sandbox.docker_backend import DockerBackend
from sandbox.files import standard_input
from sandbox.gate import Gate
from sandbox.hosts import SandboxHost
from sandbox.placing import Fleet
from sandbox.session import PooledSession, with_files
from sandbox.types import (
    Limits,
    Mode,
    ModeChoice,
    Outcome,
    SandboxError,
    TestResult,
    Verdict,
)
from sandbox.worker import Backend, Worker

if TYPE_CHECKING:
    from sandbox.recipes import ImageName

T = TypeVar("T", Outcome, Verdict)

NO_TESTS = "there are no tests to run"


@contextlib.asynccontextmanager
async def open_sandbox(
    prefer: Prefer = "auto",
    guest_modules: Mapping[str, str] | None = None,
    *,
    size: int | None = None,
    build: bool = False,
    runtime: str | None = None,
    image: ImageName = "core",
    hosts: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> AsyncIterator[Pool]:
    """The best sandbox this machine has, as `async with open_sandbox(...) as sandbox`.

    Args:
        prefer: "docker" or "bwrap" to insist; "auto" takes Docker, else bubblewrap, and
            `sandbox.description` says which and why. "unsafe-local" isolates nothing.
        guest_modules: trusted module sources by name, importable in every guest process.
        size: containers that may work at once, on each host; by default from its cores and memory.
        build: build the image if it is missing (minutes) instead of refusing.
        runtime: a Docker runtime other than the daemon's default, such as "runsc".
        image: "science" has the packages of data science too, loaded before the first request.
            bubblewrap has no images: it is refused there unless this machine has those packages.
        hosts: Docker hosts ("unix:///…", "tcp://…") to spread the work over, instead of the one
            the environment names.
        progress: gets a line on what takes long.

    Raises:
        SandboxError: neither is usable; the message says how to get Docker.
    """
    options: dict[str, Any] = {"build": build, "runtime": runtime, "image": image, "progress": progress}
    backends: Sequence[Backend] = await asyncio.to_thread(choose_backends, prefer, hosts, **options)
    warm = recipe(image).modules() if isinstance(backends[0], DockerBackend) else {}
    async with Pool(*backends, guest_modules={**warm, **(guest_modules or {})}, size=size) as pool:
        yield pool


@dataclass(frozen=True)
class _Ask(Generic[T]):
    """One request: how a worker serves it, and what it comes to where it ends two containers by memory."""

    serve: Callable[[Worker], Awaitable[T]]
    out_of_memory: Callable[[str], T]


class Pool:
    """Warm containers of one backend or several; implements `sandbox.types.Sandbox`."""

    def __init__(
        self, *backends: Backend, guest_modules: Mapping[str, str] | None = None, size: int | None = None
    ) -> None:
        first, *others = backends
        self.name, self.stamp = first.name, first.stamp
        more = f" {len(backends)} Docker hosts share the work." if others else ""
        self.description = first.description + more
        modules = dict(guest_modules or {})
        self.hosts = [SandboxHost(backend, modules, size or backend.size) for backend in backends]
        self.size = sum(host.size for host in self.hosts)
        self._fleet = Fleet(self.hosts)
        # Sessions last as long as a workflow, which mostly waits, and its steps need checks meanwhile: one
        # shared limit would let sessions starve the checks they wait for. A waiting one takes memory only.
        self.max_sessions = sum(host.max_sessions for host in self.hosts)
        self._sessions = asyncio.Semaphore(self.max_sessions)
        self._checks = asyncio.Semaphore(self.size)
        self._gate = Gate()
        self._modes: dict[
            bytes, Mode | None
        ] = {}  # chosen so far, by reference and tests; None: it passes in none

    @property
    def idle(self) -> list[Worker]:
        """The warm containers that wait for work."""
        return [worker for host in self.hosts for worker in host.idle]

    async def __aenter__(self) -> Pool:
        """Start a first container on every host.

        Raises:
            SandboxError: one could not be started, or a guest module does not import.
        """
        try:
            await asyncio.gather(*(host.open() for host in self.hosts))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Remove every container, those in use included."""
        self._fleet.closed = True
        await asyncio.gather(*(host.close() for host in self.hosts), return_exceptions=True)

    # The Sandbox protocol.

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[PooledSession]:
        """A place to run workflows and their steps in, for the length of the block.

        Sessions spread over the containers that are warm and share them, up to `SESSIONS_EACH` in one.

        Raises:
            SandboxError: none could be started.
        """
        async with self._sessions, self._fleet.seat() as worker:
            session = PooledSession(worker)
            try:
                yield session
            finally:
                session.leave()

    async def check(
        self,
        solution: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        mode: ModeChoice = "auto",
        tolerance: float = 0.0,
    ) -> Verdict:
        """Run `tests` against `solution`; see `sandbox.types.Sandbox`.

        Raises:
            SandboxError: two fresh containers in turn failed.
        """
        if not tests:
            return Verdict("failed", "no-verdict", NO_TESTS, (), "split", self.stamp)
        body = {
            "kind": "check",
            "solution": solution,
            "tests": list(tests),
            "entry_point": entry_point,
            "prelude": prelude,
            "mode": mode,
            "tolerance": tolerance,
        }
        bounds = limits or Limits()

        def out_of_memory(message: str) -> Verdict:
            results = tuple(TestResult(index, "oom", None, message) for index in range(len(tests)))
            ran_as: Mode = "split" if mode == "auto" else mode
            return Verdict("oom", None, message, results, ran_as, self.stamp)

        return await self._run(_Ask(lambda worker: worker.verdict(body, bounds), out_of_memory))

    async def choose_mode(
        self,
        reference: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        tolerance: float = 0.0,
    ) -> Mode:
        """The mode in which `reference` passes `tests`; see `sandbox.types.Sandbox`.

        Raises:
            ValueError: it passes in none.
            SandboxError: two fresh containers in turn failed.
        """
        asked = (reference, tuple(tests), entry_point, prelude, limits, tolerance)
        key = hashlib.sha256(repr(asked).encode()).digest()
        if key in self._modes:
            if (chosen := self._modes[key]) is not None:
                return chosen
            raise ValueError("the reference passes its tests in no mode")
        modes: tuple[Mode, ...] = get_args(Mode)
        said: list[str] = []
        for mode in modes:
            verdict = await self.check(
                reference,
                tests,
                entry_point=entry_point,
                prelude=prelude,
                limits=limits,
                mode=mode,
                tolerance=tolerance,
            )
            if verdict.status == "passed":
                self._modes[key] = mode
                return mode
            said.append(f"{mode}: {verdict.status}, {verdict.message}")
        self._modes[key] = None
        raise ValueError(f"the reference passes its tests in no mode ({'; '.join(said)})")

    async def run_program(
        self,
        code: str,
        *,
        entry: str | None = None,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
        collect: Sequence[str] = (),
        stdin: str | None = None,
        prelude: str = "",
    ) -> Outcome:
        """Run a program; see `sandbox.types.Sandbox`.

        Raises:
            SandboxError: two fresh containers in turn failed.
            FileNameError, ValueError: names or sizes of files that cannot be sent.
        """
        given = {"stdin": standard_input(stdin), "prelude": prelude}
        body = {"kind": "program", "code": code, "entry": entry, **given, **with_files(files, collect)}
        bounds = limits or Limits()
        ask = _Ask(
            lambda worker: worker.outcome(body, bounds),
            lambda message: Outcome("oom", message=message, sandbox=self.stamp),
        )
        return await self._run(ask)

    # Placing requests.

    async def _run(self, ask: _Ask[T]) -> T:
        """`ask`, and once more with no other request beside it where it ran out of time in company.

        Sessions do not count as company: theirs mostly wait, one perhaps for this very answer.
        """
        result, alone = await self._twice(ask, alone=False)
        if not result.status.startswith("timeout") or alone:
            return result
        again, _ = await self._twice(ask, alone=True)
        if again.status != result.status:
            return again
        return dataclasses.replace(again, message=f"{again.message}, and did so again when it ran alone")

    async def _twice(self, ask: _Ask[T], *, alone: bool) -> tuple[T, bool]:
        """One request on a container, once more elsewhere if the sandbox itself failed; and whether it
        was the only one all the time."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        failed: tuple[SandboxHost, SandboxError] | None = None
        async with self._checks, self._gate(alone=alone) as ticket:
            while True:
                avoid = failed[0] if failed else None
                async with self._fleet.worker(avoid) as (host, worker):
                    queued = (loop.time() - asked) * 1000
                    try:
                        result = await ask.serve(worker)
                    except SandboxError as error:
                        worker.clean = False
                        if self._fleet.closed:
                            raise
                        if failed is not None:
                            if error.out_of_memory and failed[1].out_of_memory:
                                return ask.out_of_memory("it used up the container's memory, twice"), True
                            raise
                        failed = host, error
                        continue
                usage = dataclasses.replace(result.usage, queue_ms=queued)
                return dataclasses.replace(result, usage=usage), not ticket.accompanied
