"""A Ray cluster and the worker processes that an experiment has there."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flowreasoner import HERE

from engine.experiments.cluster_error import ClusterError
from engine.experiments.ray.actor import actor

REACH_S = 10.0  # to open a connection to a cluster's port
PATIENCE_S = 20.0  # wait for a free processor before the user is told about it
CLOSE_S = 30.0  # for a worker to remove its containers
STARTS = 3  # of a cluster on this machine: Ray gives up on one after 30 s, which a busy machine may take


class LostWorkerError(Exception):
    """A worker process or its machine went away during a call."""


class Member:
    """A worker process on the machine `host`. `busy` counts the trials it is carrying out."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.host = ""
        self.busy = 0

    async def ask(self, method: str, *args: object) -> Any:
        """The reply of a method. Raises LostWorkerError where the worker went away, and ClusterError where
        the method failed or the connection to the cluster is lost.
        """
        from ray import exceptions

        try:
            reply = self.handle.ask.remote(method, *args)
            waiting = asyncio.wrap_future(reply.future())
            # Retrieved here: nobody reads the result of a last call to an actor that was killed.
            waiting.add_done_callback(lambda f: f.cancelled() or f.exception())
            # Shielded: Ray would set the result of a cancelled future, and complain.
            return await asyncio.shield(waiting)
        except (exceptions.RayTaskError, exceptions.RuntimeEnvSetupError) as error:
            raise ClusterError(_sentence("a worker of the cluster failed", error)) from error
        except exceptions.RayError as error:
            raise LostWorkerError(str(error)) from error
        except ConnectionError as error:
            raise ClusterError(_sentence("the connection to the cluster is lost", error)) from error


class Crew:
    """The workers of an experiment: one for each processor of the cluster, but no more than trials at once.

    A worker that dies is replaced. Use as an async context manager: leaving it ends them.
    """

    def __init__(
        self,
        ray: Any,
        concurrency: int,
        models: Sequence[tuple[str, str]],
        report: Callable[[str], object],
        *,
        unsafe_local: bool = False,
    ) -> None:
        """Each worker opens `models`, pairs of meta-agent and worker, before it gets a trial; `report` is
        called with a sentence about each worker that cannot.
        """
        self._ray, self._models, self._report = ray, list(models), report
        self._concurrency, self._unsafe_local = concurrency, unsafe_local
        self._members: list[Member] = []
        self._hiring: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._seats, self._why_none = 1, ""

    async def __aenter__(self) -> Crew:
        """Returns once a worker is ready. Raises ClusterError where none can be used."""
        resources = await asyncio.to_thread(self._ray.cluster_resources)
        count = max(1, min(self._concurrency, int(resources.get("CPU", 1))))
        self._seats = -(-self._concurrency // count)
        for _ in range(count):
            self._hire()
        patience = asyncio.get_running_loop().call_later(
            PATIENCE_S, self._report, "waiting for a free processor of the Ray cluster"
        )
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._members or not self._hiring)
            self._check()
        except BaseException:
            await self.__aexit__()
            raise
        finally:
            patience.cancel()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._hiring:
            task.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        await asyncio.gather(*(self._close(member) for member in self._members))
        self._members.clear()

    @asynccontextmanager
    async def member(self) -> AsyncGenerator[Member, None]:
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

    def lost(self, member: Member) -> None:
        """Kill a worker that died or does not answer, and start another in its place."""
        if member in self._members:
            self._members.remove(member)
            self._kill(member)
            self._hire()

    def _free(self) -> list[Member]:
        return [m for m in self._members if m.busy < self._seats]

    def _check(self) -> None:
        if not self._members and not self._hiring:
            raise ClusterError(f"no worker of the Ray cluster can carry trials out: {self._why_none}")

    def _hire(self) -> None:
        task = asyncio.create_task(self._welcome())
        self._hiring.add(task)

    async def _welcome(self) -> None:
        """Start a worker and let it open what trials need. Ray makes it wait while all processors are
        taken.
        """
        task = asyncio.current_task()
        assert task is not None  # `_hire`
        member, why = None, ""
        try:
            seats = 2 * self._seats + 8
            worker = actor(self._ray, num_cpus=1, max_restarts=0, max_concurrency=seats)
            member = Member(worker.remote(HERE, str(Path.cwd()), unsafe_local=self._unsafe_local))
            why = await self._introduced(member)
        # The edge to a library: whatever it raises, the callers that wait for a worker must be woken.
        except Exception as error:  # noqa: BLE001
            why = _reason(error)
        finally:
            self._hiring.discard(task)
            if member is not None and (why or not member.host):
                self._kill(member)
        async with self._changed:
            if why:
                self._why_none = why
                self._report(f"a worker of the Ray cluster is left out: {why}")
            elif member is not None:
                self._members.append(member)
            self._changed.notify_all()

    async def _introduced(self, member: Member) -> str:
        """Why the worker cannot be used, or "". Raises as `Member.ask`."""
        about = await member.ask("hello", self._models)
        member.host = about["host"]
        if about["version"] != version("flowreasoner"):
            here = version("flowreasoner")
            return f"{member.host} has flowreasoner {about['version']}, this is {here}; install the same"
        return f"on {member.host}: {about['failure']}" if "failure" in about else ""

    async def _close(self, member: Member) -> None:
        try:
            await asyncio.wait_for(member.ask("close"), CLOSE_S)
        except (LostWorkerError, ClusterError, TimeoutError):
            pass
        finally:
            self._kill(member)

    def _kill(self, member: Member) -> None:
        self._ray.kill(member.handle)


@asynccontextmanager
async def connected(where: str) -> AsyncGenerator[Any, None]:
    """The `ray` package, connected to the cluster that `where` names. "ray" is the cluster of RAY_ADDRESS or,
    where that is not set, one on this machine that is started now and ends with this process.

    Raises ClusterError where Ray is not installed, or the cluster cannot be reached or used.
    """
    try:
        import ray
    except ImportError:
        raise ClusterError("--on ray needs Ray: pip install 'flowreasoner[ray]'") from None
    address = os.environ.get("RAY_ADDRESS", "local") if where == "ray" else where
    if address.startswith("ray://"):
        await _reach(address)
    try:
        await asyncio.to_thread(_connect, ray, address)
    # The edge to a library that raises a dozen kinds, RuntimeError and Exception among them.
    except Exception as error:
        sentence = _sentence(f"the Ray cluster at {address} cannot be used", error)
        hint = "; if it wants a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        raise ClusterError(sentence + (hint if isinstance(error, ConnectionError) else "")) from error
    try:
        yield ray
    finally:
        await asyncio.to_thread(ray.shutdown)


def _connect(ray: Any, address: str) -> None:
    # Ray's messages would go to standard output, between our own lines.
    import ray._private.worker as messages

    messages._worker_logs_enabled = False
    warnings.filterwarnings("ignore", module=r"ray\.")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        # No usage statistics are sent to Ray's makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Workers see the GPUs, for models that run in their process.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        options["include_dashboard"] = False
    for left in reversed(range(STARTS)):
        try:
            ray.init(address, **options)
            return
        except Exception as error:  # what Ray raises has no kind of its own
            if not left or "timed out during startup" not in str(error):
                raise
        # What has been started of the cluster ends with this process.
        ray.shutdown()


async def _reach(where: str) -> None:
    """Raises ClusterError where nothing answers at the address. Ray itself would try for minutes, and
    say little.
    """
    try:
        parts = urlsplit(where)
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port), REACH_S)
    except (OSError, ValueError, TimeoutError) as error:
        why = getattr(error, "strerror", None) or str(error) or f"no answer in {REACH_S:.0f} s"
        raise ClusterError(
            f"the Ray cluster at {where} cannot be reached ({why}); start one there with"
            " `ray start --head --ray-client-server-port PORT`, or use --on ray"
        ) from None
    writer.close()


def _sentence(what: str, error: Exception) -> str:
    return f"{what} ({type(error).__name__}: {_first_line(str(error))})"


def _reason(error: Exception) -> str:
    if "No module named" in str(error):
        return "its Python lacks flowreasoner, or what it needs; install the same version there"
    return _first_line(str(error)) or type(error).__name__


def _first_line(text: str) -> str:
    """The line of a text that names an error, else its first line: Ray's messages are long."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    named = [line for line in lines if "Error:" in line and "ray::" not in line]
    return (named or lines or [""])[0]
