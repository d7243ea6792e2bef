"""The pool: warm containers, one request or session at a time each, replaced before they are missed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sandbox import reaper
from sandbox.bwrap_backend import BwrapBackend
from sandbox.docker_backend import DockerBackend, connect
from sandbox.guest import codec
from sandbox.types import Callback, Limits, Outcome, SandboxError, Verdict
from sandbox.worker import Backend, Worker

if TYPE_CHECKING:
    from sandbox.recipes import ImageName, Recipe

Prefer = Literal["auto", "docker", "bwrap"]
T = TypeVar("T")

_SPARES = 1
_MEMORY_PER_CONTAINER = 512 << 20
_REAP_EVERY_S = 60.0
NO_TESTS = "there are no tests to run"


def default_size() -> int:
    """Containers that may work at once: two a core, and no more than half of the memory could hold."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(2, min(2 * (os.cpu_count() or 1), memory // 2 // _MEMORY_PER_CONTAINER, 32))


@contextlib.asynccontextmanager
async def open_sandbox(
    prefer: Prefer = "auto",
    guest_modules: Mapping[str, str] | None = None,
    *,
    size: int | None = None,
    build: bool = False,
    runtime: str | None = None,
    image: ImageName = "core",
    progress: Callable[[str], None] | None = None,
) -> AsyncIterator[Pool]:
    """The best sandbox this machine has, as `async with open_sandbox(...) as sandbox`.

    Args:
        prefer: "docker" or "bwrap" to insist; "auto" takes Docker, else bubblewrap, and
            `sandbox.description` says which and why.
        guest_modules: trusted module sources by name, importable in every guest process.
        size: containers that may work at once; by default from cores and memory.
        build: build the image if it is missing (minutes) instead of refusing.
        runtime: a Docker runtime other than the daemon's default, such as "runsc".
        image: "science" has the packages of data science too, loaded before the first request.
            bubblewrap has no images: there programs find what this machine has installed.
        progress: told in one line what takes long.

    Raises:
        SandboxError: neither is usable; the message says how to get Docker.
    """
    backend = await asyncio.to_thread(
        choose_backend, prefer, build=build, runtime=runtime, image=image, progress=progress
    )
    warm = _recipe(image).modules() if backend.name == "docker" else {}
    async with Pool(backend, {**warm, **(guest_modules or {})}, size=size) as pool:
        yield pool


def choose_backend(
    prefer: Prefer = "auto",
    *,
    build: bool = False,
    runtime: str | None = None,
    image: ImageName = "core",
    progress: Callable[[str], None] | None = None,
) -> DockerBackend | BwrapBackend:
    """The backend `open_sandbox` would use. Blocks while it asks the daemon.

    Raises:
        SandboxError: as `open_sandbox`.
    """
    if prefer == "bwrap":
        return BwrapBackend()
    try:
        return _docker(build, runtime, image, progress)
    except SandboxError as error:
        if prefer == "docker":
            raise
        reason = error
    try:
        return BwrapBackend(why=f"Docker cannot be used ({reason}). Using ")
    except SandboxError as error:
        raise SandboxError(
            reason.reason,
            f"there is no sandbox to run generated code in. Docker: {reason}. bubblewrap: {error}",
        ) from None


def _recipe(image: ImageName) -> Recipe:
    from sandbox.recipes import RECIPES

    return RECIPES[image]


def _docker(
    build: bool, runtime: str | None, image: ImageName, progress: Callable[[str], None] | None
) -> DockerBackend:
    from sandbox import images

    client = connect()
    reaper.reap(client)
    ident = images.build(progress, image) if build else images.find(client, image)
    if ident is None:
        raise SandboxError(
            "image-missing",
            f"the {image} image is not built: run `flowreasoner sandbox build --image {image}`",
        )
    return DockerBackend(client, ident, runtime, memory_mb=_recipe(image).memory_mb)


class Pool:
    """Warm containers of one backend; implements `sandbox.types.Sandbox`."""

    def __init__(
        self, backend: Backend, guest_modules: Mapping[str, str] | None = None, *, size: int | None = None
    ) -> None:
        self.name = backend.name
        self.description = backend.description
        self.size = size or default_size()
        self._backend = backend
        self._modules = dict(guest_modules or {})
        self.idle: list[Worker] = []  # the next to serve is the last
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starting = 0
        self._closed = False
        # Sessions last as long as a workflow, and a workflow's steps need checks while it runs:
        # one shared limit would let sessions starve the checks they wait for.
        self._sessions = asyncio.Semaphore(self.size)
        self._checks = asyncio.Semaphore(self.size)

    async def __aenter__(self) -> Pool:
        """Start the first container, so that a sandbox that cannot work says so at once.

        Raises:
            SandboxError: it could not be started, or a guest module does not import.
        """
        self.idle.append(await self._new())
        self._refill()
        if isinstance(self._backend, DockerBackend):
            self._background(self._reap_forever(self._backend))
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Remove every container, those in use included."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._all), return_exceptions=True)
        self._all.clear()
        self.idle.clear()

    # The Sandbox protocol.

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[PooledSession]:
        """A container of its own for the length of the block.

        Raises:
            SandboxError: none could be started.
        """
        async with self._sessions, self._worker() as worker:
            yield PooledSession(worker)
            if worker.reusable and await worker.channel.probe() is not None:
                worker.clean = False

    async def check(
        self,
        solution: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
    ) -> Verdict:
        """Run `tests` against `solution`; see `sandbox.types.Sandbox`.

        Raises:
            SandboxError: two fresh containers in turn failed.
        """
        if not tests:
            return Verdict("failed", "no-verdict", NO_TESTS, (), "split", self.name)
        body = {
            "kind": "check",
            "solution": solution,
            "tests": list(tests),
            "entry_point": entry_point,
            "prelude": prelude,
        }
        bounds = limits or Limits()
        return await self._twice(lambda worker: worker.verdict(body, bounds))

    async def run_program(
        self, code: str, *, entry: str | None = None, limits: Limits | None = None
    ) -> Outcome:
        """Run a program; see `sandbox.types.Sandbox`.

        Raises:
            SandboxError: two fresh containers in turn failed.
        """
        body = {"kind": "program", "code": code, "entry": entry}
        bounds = limits or Limits()
        return await self._twice(lambda worker: worker.outcome(body, bounds))

    # Containers.

    async def _twice(self, use: Callable[[Worker], Awaitable[T]]) -> T:
        """One request on a container; once more on another if the sandbox itself failed."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._checks:
            for attempt in range(2):
                try:
                    async with self._worker(fresh=attempt > 0) as worker:
                        queued = (loop.time() - asked) * 1000
                        return _with_queue(await use(worker), queued)
                except SandboxError:
                    if attempt > 0 or self._closed:
                        raise
        raise AssertionError("unreachable")

    @contextlib.asynccontextmanager
    async def _worker(self, *, fresh: bool = False) -> AsyncIterator[Worker]:
        worker = await self._take(fresh)
        try:
            yield worker
        except BaseException:
            worker.clean = False
            raise
        finally:
            self._give_back(worker)

    async def _take(self, fresh: bool) -> Worker:
        if self._closed:
            raise SandboxError("container-lost", "the sandbox is closed")
        while self.idle and not fresh:
            worker = self.idle.pop()
            self._refill()
            if worker.reusable:
                return worker
            self._discard(worker)
        return await self._new()

    def _give_back(self, worker: Worker) -> None:
        if self._closed:
            return
        if worker.reusable and len(self.idle) < self.size + _SPARES:
            self.idle.append(worker)
        else:
            self._discard(worker)
            self._refill()

    async def _new(self) -> Worker:
        worker = await Worker.start(self._backend, self._modules)
        self._all.add(worker)
        return worker

    def _refill(self) -> None:
        """Have a spare ready or on its way."""
        if not self._closed and len(self.idle) + self._starting < _SPARES:
            self._starting += 1
            self._background(self._add_spare())

    async def _add_spare(self) -> None:
        try:
            # A daemon that cannot start one now is asked again by whoever needs the next container.
            with contextlib.suppress(SandboxError):
                worker = await self._new()
                self.idle.insert(0, worker)
        finally:
            self._starting -= 1

    def _discard(self, worker: Worker) -> None:
        self._all.discard(worker)
        self._background(worker.close())

    def _background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reap_forever(self, backend: DockerBackend) -> None:
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            with contextlib.suppress(Exception):  # housekeeping: a daemon that is away is another's error
                await asyncio.to_thread(reaper.reap, backend.client)


class PooledSession:
    """A worker held by one workflow; implements `sandbox.types.Session`."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.container_id = worker.id

    async def probe(self) -> str | None:
        """What is not as in a fresh, idle container, in one line; None when nothing."""
        return await self._worker.channel.probe()

    async def call(
        self, entry: str, args: Mapping[str, Any], *, callback: Callback, limits: Limits
    ) -> Outcome:
        """Run a guest function; see `sandbox.types.Session`.

        Raises:
            SandboxError: the container is lost.
        """
        body = {"kind": "call", "entry": entry, "args": codec.encode(dict(args))}
        return await self._worker.outcome(body, limits, callback)


def _with_queue(result: T, queue_ms: float) -> T:
    """`result`, an Outcome or a Verdict, with the time it waited for a container."""
    if isinstance(result, Outcome | Verdict):
        return dataclasses.replace(result, usage=dataclasses.replace(result.usage, queue_ms=queue_ms))
    return result
