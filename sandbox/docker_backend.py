"""Docker containers as sandboxes: how one is created, spoken to, and removed.

The SDK is synchronous; it is used in threads, and only to create, start, inspect and remove. The
bytes of a running container pass through asyncio alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from http.client import CONFLICT
from typing import Any

from sandbox import attach, labels, seccomp
from sandbox.channel import State
from sandbox.guest import places
from sandbox.sizing import default_size
from sandbox.types import InfraReason, SandboxError

GUEST_DIR = "/opt/flowreasoner"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",
    "PYTHONHASHSEED": "0",  # the same program gives the same verdict in every container
    "MALLOC_ARENA_MAX": "1",  # an arena a thread would use up the address-space limit
}
MEMORY_MB = 512
PIDS = 4096  # a request may have 48, so that none can take them from sessions that share the container
_TMPFS = "nosuid,nodev,noexec,mode=1777"
_HEADER = 8  # of each chunk of an attached stream without a terminal
_STDERR_KEPT = 4096
_OLDEST_API = "1.41"  # only to ask for the daemon's own
_GONE_WITHIN_S = 5


def boot(path: str) -> str:
    """The program PID 1 runs, with the guest package found under `path`.

    Without `ssl`, which asyncio takes if it can get it, the zygote is a quarter smaller and forks
    accordingly faster; there is no network here. A program that wants it can still import it.
    """
    lines = "sys.modules['ssl'] = None; from guest.runner import main; del sys.modules['ssl']; main()"
    return f"import sys; sys.path.insert(0, {path!r}); {lines}"


def connect(timeout: float = 60.0, host: str | None = None) -> Any:
    """A client of the daemon at `host`, or of the one the environment names; `timeout` is in seconds.

    Raises SandboxError where there is no client, no daemon or no permission; the message says which and what
    to do.
    """
    try:
        import docker
    except ImportError:
        raise SandboxError(
            "no-docker", "the Python package `docker` is missing: pip install docker"
        ) from None
    from docker.utils import kwargs_from_env

    where = attach.address(host)
    if not where.startswith(("unix://", "tcp://")):
        tunnel = "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST"
        raise SandboxError(
            "no-docker",
            f"{where[:100]} is not a Docker host that can be used: name a unix:// or tcp:// one; "
            f"for one behind SSH, run `{tunnel}` and name unix:///tmp/docker.sock",
        )
    with asking("no-docker"):
        # Encryption goes by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, whoever names the host.
        found = kwargs_from_env({**os.environ, "DOCKER_HOST": where})
        first = _client(docker, _OLDEST_API, timeout, found)
        version = first.version(api_version=False)["ApiVersion"]
        first.close()
        return _client(docker, version, timeout, found)


@contextlib.contextmanager
def asking(reason: InfraReason | None = None) -> Iterator[None]:
    """For a block that asks a daemon before there is work for it.

    Raises:
        SandboxError: the daemon does not answer, or refuses; for `reason`, or the one its error has.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise SandboxError(reason or _reason(error), explain(error)) from None


def _client(docker: Any, version: str, timeout: float, found: Mapping[str, Any]) -> Any:
    """A client that asks for nothing yet, and goes by no variables but Docker's: those that name a CA for
    the web would replace the one of the daemon, those that name a proxy would send it our requests."""
    client = docker.DockerClient(version=version, timeout=int(timeout), **found)
    client.api.trust_env = False
    return client


def explain(error: Exception) -> str:
    """One sentence on why the daemon cannot be used, and how it could."""
    text = str(error)
    if "PermissionError" in text or "Permission denied" in text:
        return "no permission to use Docker: add yourself to the group `docker`, or run `flowreasoner doctor`"
    if "FileNotFoundError" in text or "No such file" in text:
        return "no Docker daemon here: install Docker Engine, or run `flowreasoner doctor --fix` as root"
    return f"the Docker daemon does not answer ({text[:200]}): is it running? See `flowreasoner doctor`"


class DockerBackend:
    """Creates containers from one image, on one daemon."""

    name = "docker"
    own_uids = True

    def __init__(
        self,
        client: Any,
        image_id: str,
        runtime: str | None = None,
        *,
        host: str | None = None,
        memory_mb: int = MEMORY_MB,
        size: int | None = None,
    ) -> None:
        self.client = client
        self._image = image_id
        self._runtime = runtime
        self._host = host  # of `client`; None: the one the environment names
        self.size = size or default_size()
        self._memory = memory_mb << 20
        self.stamp = self.name if runtime is None else f"{self.name} ({runtime})"
        kind = runtime or "runc"
        self.description = (
            f"Docker ({kind}): no network, read-only root, no capabilities, own uid per process, "
            f"{memory_mb} MB of memory and one core per container; the kernel is shared with this machine."
        )

    async def start(self) -> DockerTransport:
        """A new container with its runner started and its streams attached.

        Raises:
            SandboxError: the image is missing or the daemon refused.
        """
        from docker.errors import DockerException, ImageNotFound
        from requests.exceptions import RequestException

        task = asyncio.ensure_future(self._create())
        try:
            ident, streams = await asyncio.shield(task)
        except ImageNotFound:
            message = "the sandbox image is gone: run `flowreasoner sandbox build`"
            raise SandboxError("image-missing", message) from None
        except (DockerException, RequestException, OSError) as error:
            raise SandboxError(_reason(error), explain_start(error)) from None
        except asyncio.CancelledError:
            # A thread cannot be stopped: let it finish, then remove what it made.
            with contextlib.suppress(DockerException, RequestException, OSError):
                ident, (_, writer) = await task
                writer.close()
                await asyncio.to_thread(self._remove, ident)
            raise
        return DockerTransport(self, ident, *streams)

    async def _create(self) -> tuple[str, attach.Streams]:
        api = self.client.api
        made = await asyncio.to_thread(api.create_container_from_config, self._config())
        ident = str(made["Id"])
        try:
            streams = await attach.attach(self._host, ident)
            await asyncio.to_thread(api.start, ident)
        except BaseException:
            await asyncio.to_thread(self._remove, ident)
            raise
        return ident, streams

    def _config(self) -> dict[str, Any]:
        seat = f"size={places.SEAT_MB}m,nr_inodes={places.SEAT_INODES},{_TMPFS}"
        host = {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            # PID 1's alone: a process loses them with its uid.
            "CapAdd": ["SETUID", "SETGID", "KILL"],
            "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp.profile()}"],
            "IpcMode": "private",
            "PidsLimit": PIDS,
            "Memory": self._memory,
            "MemorySwap": self._memory,
            "NanoCpus": 1_000_000_000,
            "ShmSize": 16 << 20,
            "Tmpfs": {
                "/tmp": f"size=64m,nr_inodes=4096,{_TMPFS}",
                **{f"{places.seats}/{number}": seat for number in range(places.SEATS)},
            },
            "Ulimits": [
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "nofile", "Soft": 1024, "Hard": 1024},
            ],
            "LogConfig": {"Type": "none"},  # a log file would grow on the host, past every limit
            "AutoRemove": True,
        }
        if self._runtime is not None:
            host["Runtime"] = self._runtime
        return {
            "Image": self._image,
            "Hostname": "sandbox",
            "Entrypoint": [],
            "Cmd": ["python3", "-I", "-c", boot(GUEST_DIR)],
            "Env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
            "User": "0:0",
            "WorkingDir": "/",
            # The namespace is empty, as NetworkMode says, and the daemon keeps no endpoints for it: they
            # take 0.1 s, and Docker 20.10 can deadlock on them when many containers come and go at once.
            "NetworkDisabled": True,
            "StopSignal": "SIGKILL",  # there is nothing to save, and Docker's own restart waits for us
            "OpenStdin": True,
            "StdinOnce": True,  # our death closes stdin, on which the runner exits
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Labels": labels.own(),
            "HostConfig": host,
        }

    def _remove(self, ident: str) -> None:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            self.client.api.remove_container(ident, force=True, v=True)
        except DockerException as error:
            if getattr(error, "status_code", None) == CONFLICT:  # on its way out by itself
                with contextlib.suppress(DockerException, RequestException):
                    self.client.api.wait(ident, condition="removed", timeout=_GONE_WITHIN_S)
        except RequestException:
            return  # the daemon is away: its containers end with it, or are reaped later

    def _state(self, ident: str, born: float) -> State:
        from docker.errors import DockerException, NotFound
        from requests.exceptions import RequestException

        try:
            try:
                state = self.client.api.inspect_container(ident)["State"]
            except NotFound:
                return self._post_mortem(ident, born)
        except (DockerException, RequestException):
            return State("the Docker daemon does not answer")
        ended = state.get("Status") in ("exited", "dead", "removing")
        status = f"exit status {state.get('ExitCode')}" if ended else str(state.get("Status", "unknown"))
        return State(status, ended and bool(state.get("OOMKilled")))

    def _post_mortem(self, ident: str, born: float) -> State:
        """How a container that removed itself ended, by what the daemon remembers of its events."""
        filters = {"container": ident, "event": ["die", "oom"]}
        events = self.client.api.events(
            since=f"{born - 1:.3f}", until=f"{time.time():.3f}", filters=filters, decode=True
        )
        found = {event["Action"]: event["Actor"]["Attributes"] for event in events}
        code = found.get("die", {}).get("exitCode")
        # A process of it that ran out of memory is an `oom` too; only then a SIGKILL is the runner's own.
        return State("removed" if code is None else f"exit status {code}", "oom" in found and code == "137")


def _reason(error: Exception) -> InfraReason:
    if "no space left" in str(error).lower():
        return "disk-full"
    return "daemon-down" if getattr(error, "response", None) is None else "no-docker"


def explain_start(error: Exception) -> str:
    """Why a container could not be started, and what to do."""
    text = str(error)[:300]
    if "no space left" in text.lower():
        return f"Docker's disk is full: free some space (docker system df), then run again ({text})"
    return f"Docker could not start a container: {text}. Run `flowreasoner doctor`"


class DockerTransport:
    """The attached streams of one container."""

    def __init__(
        self,
        backend: DockerBackend,
        container_id: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.container_id = container_id
        self._backend = backend
        self._reader = reader
        self._writer = writer
        self._stderr = b""
        self._born = time.time()
        self._killed: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """As `Transport.read`: one chunk of stdout; stderr is kept for `state`."""
        while True:
            try:
                header = await self._reader.readexactly(_HEADER)
                body = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
            except (asyncio.IncompleteReadError, OSError):
                return b""
            if header[0] == 1:
                return body
            self._stderr = (self._stderr + body)[-_STDERR_KEPT:]

    async def write(self, data: bytes) -> None:
        """As `Transport.write`."""
        self._writer.write(data)
        await self._writer.drain()

    async def state(self) -> State:
        """As `Transport.state`."""
        state = await asyncio.to_thread(self._backend._state, self.container_id, self._born)
        return dataclasses.replace(state, said=self._stderr.decode("utf-8", "replace").strip()[-500:])

    async def kill(self) -> None:
        """As `Transport.kill`."""
        if self._killed is None:
            self._writer.close()
            self._killed = asyncio.ensure_future(asyncio.to_thread(self._backend._remove, self.container_id))
        await asyncio.shield(self._killed)
