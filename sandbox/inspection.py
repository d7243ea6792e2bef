"""What a Docker host is and what of ours runs on it now, for people to look at."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox import images, labels, remedies, stale_images
from sandbox.docker_backend import connect, explain
from sandbox.images import ImageStatus
from sandbox.recipes import RECIPES
from sandbox.types import SandboxError

_SAMPLE_S = 0.25  # between two readings of the CPU clock
_THREADS = 8
RUNNER = "runner "  # how PID 1 names itself, before the number of requests it was given


@dataclass(frozen=True)
class HostInfo:
    """A daemon, as it describes itself."""

    address: str
    version: str
    cores: int
    memory_bytes: int
    cgroup: str
    storage: str
    runtimes: tuple[str, ...]
    rootless: bool


@dataclass(frozen=True)
class ContainerInfo:
    """One container of ours: its limits, and what it uses. None where the daemon does not say."""

    id: str
    state: str
    image: str
    owner_pid: str
    orphaned: bool
    age_s: float
    memory_limit: int
    cpus: float
    pids_limit: int
    requests: int | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None  # of one core


def host(client: Any) -> HostInfo:
    """The daemon behind `client`. Raises DockerException and RequestException."""
    info: Mapping[str, Any] = client.info()
    security = [str(option) for option in info.get("SecurityOptions") or ()]
    return HostInfo(
        address=str(client.api.base_url).replace("http+docker://localhost", "this machine"),
        version=str(info.get("ServerVersion", "?")),
        cores=int(info.get("NCPU", 0)),
        memory_bytes=int(info.get("MemTotal", 0)),
        cgroup=f"v{info.get('CgroupVersion', '1')} ({info.get('CgroupDriver', '?')})",
        storage=str(info.get("Driver", "?")),
        # The daemon lists its shims too; only what can be named with --runtime helps anyone.
        runtimes=tuple(sorted(name for name in info.get("Runtimes") or () if not name.startswith("io."))),
        rootless=any("rootless" in option for option in security),
    )


def containers(client: Any) -> list[ContainerInfo]:
    """Our containers with their limits and present use, the newest first.

    Raises DockerException and RequestException.
    """
    found = client.api.containers(all=True, filters={"label": [f"{labels.LABEL}=1"]})
    with ThreadPoolExecutor(_THREADS) as threads:
        seen = list(threads.map(lambda row: _container(client, row), found))
    return sorted((one for one in seen if one is not None), key=lambda one: one.age_s)


def _container(client: Any, row: Mapping[str, Any]) -> ContainerInfo | None:
    from docker.errors import APIError

    ident, marks = str(row["Id"]), row["Labels"]
    try:
        limits = client.api.inspect_container(ident)["HostConfig"]
    except APIError:  # it ended since it was listed
        return None
    requests, memory, cpu = None, None, None
    if row["State"] == "running":
        # It ended in between (then the answer may be empty, too), or its kernel keeps no account.
        with contextlib.suppress(APIError, KeyError, TypeError, ValueError):
            requests = _requests(client.api.top(ident, ps_args="-o pid,comm"))
            memory, cpu = _use(client, ident)
    return ContainerInfo(
        id=ident,
        state=str(row["State"]),
        image=str(row["Image"]),
        owner_pid=str(marks.get(f"{labels.LABEL}.pid", "?")),
        orphaned=labels.orphaned(marks),
        age_s=max(datetime.now().timestamp() - float(row["Created"]), 0.0),
        memory_limit=int(limits.get("Memory") or 0),
        cpus=(limits.get("NanoCpus") or 0) / 1e9,
        pids_limit=int(limits.get("PidsLimit") or 0),
        requests=requests,
        memory_bytes=memory,
        cpu_percent=cpu,
    )


def _requests(top: Mapping[str, Any]) -> int | None:
    for line in top.get("Processes") or ():
        name = " ".join(line[1:])
        if name.startswith(RUNNER) and name.removeprefix(RUNNER).isdigit():
            return int(name.removeprefix(RUNNER))
    return None


def _use(client: Any, ident: str) -> tuple[int, float]:
    """Bytes of memory and share of one core, from two readings: one alone has no CPU share."""
    first, begun = client.api.stats(ident, stream=False, one_shot=True), time.monotonic()
    time.sleep(_SAMPLE_S)
    second, ended = client.api.stats(ident, stream=False, one_shot=True), time.monotonic()
    used = _cpu_ns(second) - _cpu_ns(first)
    memory = second["memory_stats"]
    parts = memory.get("stats", {})
    # As `docker stats` does: pages the kernel can drop at once are no use of ours.
    cache = parts.get("total_inactive_file", parts.get("inactive_file", 0))
    return max(int(memory["usage"]) - int(cache), 0), used / 1e7 / max(ended - begun, 1e-3)


def _cpu_ns(stats: Mapping[str, Any]) -> int:
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"])


@dataclass(frozen=True)
class Survey:
    """Everything of ours on a host. Without a daemon there is only `problem`, and what to do about it."""

    address: str = ""  # as it was configured; empty for the host the environment names
    problem: str = ""
    advice: str = ""
    host: HostInfo | None = None
    images: tuple[ImageStatus, ...] = ()
    stale: tuple[str, ...] = ()  # images that `sandbox prune` would remove
    containers: tuple[ContainerInfo, ...] = ()


def survey(hosts: Sequence[str] = ()) -> list[Survey]:
    """Ask each of `hosts`, all at once; without any, the daemon that the environment names.

    Never raises for a daemon that is away. Blocks for a moment.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(_survey, hosts or [None]))


def _survey(address: str | None) -> Survey:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    said = address or ""
    try:
        client = connect(timeout=10, host=address)
        built = tuple(images.status(client, name) for name in RECIPES)
        old = tuple(stale_images.stale(client))
        return Survey(said, host=host(client), images=built, stale=old, containers=tuple(containers(client)))
    except SandboxError as error:
        why = str(error)
    except (DockerException, RequestException) as error:  # it went away while it was asked
        why = explain(error)
    return Survey(said, why, remedies.docker_advice(why)[0])
