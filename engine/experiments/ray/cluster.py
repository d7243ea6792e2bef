"""A Ray cluster and the worker processes that an experiment has there."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flowreasoner import HERE

from engine.experiments.cluster_error import ClusterError
from engine.experiments.crew import LostWorkerError, Worker, Workers
from engine.experiments.ray.actor import actor
from engine.experiments.ray.versions import mismatch

REACH_S = 10.0  # to open a connection to a cluster's port
PATIENCE_S = 20.0  # wait for a free processor before the user is told about it
STARTS = 3  # of a cluster on this machine: Ray gives up on one after 30 s, which a busy machine may take


class Member(Worker):
    """A worker of the cluster."""

    def __init__(self, ray: Any, handle: Any) -> None:
        super().__init__()
        self._ray, self._handle = ray, handle

    async def ask(self, method: str, *args: object) -> Any:
        """As `Worker.ask`."""
        from ray import exceptions

        try:
            reply = self._handle.ask.remote(method, *args)
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

    def kill(self) -> None:
        """End it at once."""
        self._ray.kill(self._handle)


class Crew(Workers[Member]):
    """The workers of an experiment on a cluster: one for each processor."""

    what = "worker of the Ray cluster"

    def __init__(
        self,
        ray: Any,
        concurrency: int,
        models: Sequence[tuple[str, str]],
        report: Callable[[str], object],
        *,
        unsafe_local: bool = False,
    ) -> None:
        """As `Workers`, with the connected `ray` package."""
        super().__init__(concurrency, models, report)
        self._ray, self._unsafe_local = ray, unsafe_local

    async def __aenter__(self) -> Workers[Member]:
        """As `Workers`. Ray makes workers wait while all processors are taken, which the user is told."""
        patience = asyncio.get_running_loop().call_later(
            PATIENCE_S, self._report, "waiting for a free processor of the Ray cluster"
        )
        try:
            return await super().__aenter__()
        finally:
            patience.cancel()

    async def _room(self) -> int:
        resources = await asyncio.to_thread(self._ray.cluster_resources)
        return int(resources.get("CPU", 1))

    async def _start(self, seats: int) -> Member:
        worker = actor(self._ray, num_cpus=1, max_restarts=0, max_concurrency=2 * seats + 8)
        return Member(self._ray, worker.remote(HERE, str(Path.cwd()), unsafe_local=self._unsafe_local))

    def _why(self, error: Exception) -> str:
        return _reason(error)


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
        if differ := mismatch(str(error)):
            raise ClusterError(f"the Ray cluster at {address} {differ}") from error
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
