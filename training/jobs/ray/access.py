"""The way to a Ray cluster: its addresses, and who may use them.

Whoever reaches a cluster's ports can run any program there. So a cluster is used only where nobody else can
reach it, through a loopback address of this machine, or where it asks for a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.paths import expanded
from sandbox.errors import UsageError
from training.jobs.remote.errors import HostError, LinkError

if TYPE_CHECKING:
    import httpx2

    from engine.host_config import Host

REACH_S = 10.0  # to get an answer from a port; a silent cluster is noticed after this
_TUNNEL = "forward its ports to this machine with `ssh -L`"


@dataclass(frozen=True)
class Access:
    """A cluster as this machine reaches it. `token` is "" where there is none."""

    name: str
    client: str
    """The address of its client server, as `ray.init` takes it."""
    dashboard: str
    """The URL of its dashboard."""
    token: str
    is_loopback: bool

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which Ray's own client is told the token, or that there is none."""
        mode = "token" if self.token else "disabled"
        return {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}


def access(name: str, host: Host) -> Access:
    """The way to a cluster of the config file.

    Raises HostError where Ray is not installed here, or the cluster may not be used without a token.
    """
    if find_spec("ray") is None:
        raise HostError("jobs on a Ray cluster need Ray: pip install 'flowreasoner[ray]'")
    where = urlsplit(host.address).hostname or ""
    is_loopback = where == "localhost"
    with contextlib.suppress(ValueError):  # a name
        is_loopback = is_loopback or ip_address(where).is_loopback
    token = _token(name, host)
    if not token and not is_loopback:
        raise HostError(
            f"{name} ({where}) is not on this machine, and there is no token for it: start the cluster with "
            f"RAY_AUTH_MODE=token and set hosts.{name}.token, or {_TUNNEL} and name it as ray://127.0.0.1:PORT"
        )
    shown = f"[{where}]" if ":" in where else where
    return Access(name, host.address, f"http://{shown}:{host.dashboard}", token, is_loopback)


async def check_access(way: Access) -> None:
    """Ask the cluster whether it can be used from here.

    Raises LinkError where it does not answer; HostError where it does not take our token, takes jobs from
    everybody, or runs another version of Ray.
    """
    import httpx2

    headers = {"authorization": f"Bearer {way.token}"} if way.token else {}
    async with httpx2.AsyncClient(trust_env=False, timeout=REACH_S) as client:
        if not way.is_loopback and (await _ask(client, way, {})).status_code != 401:
            raise HostError(
                f"{way.name} runs any program of whoever reaches {way.dashboard}: start the cluster with "
                f"RAY_AUTH_MODE=token, or {_TUNNEL}"
            )
        answer = await _ask(client, way, headers)
    if answer.status_code == 401:
        raise HostError(
            f"{way.name} asks for a token: set hosts.{way.name}.token to a file with it, or RAY_AUTH_TOKEN"
        )
    if answer.status_code == 403:
        raise HostError(f"{way.name} does not accept the token: the cluster has another one")
    try:
        there = str(answer.json()["ray_version"])
    except (ValueError, KeyError, TypeError):
        raise HostError(
            f"what answers at {way.dashboard} is not the dashboard of a Ray cluster: "
            f"set hosts.{way.name}.dashboard to its port"
        ) from None
    if there != (here := _version()):
        raise HostError(
            f"{way.name} runs Ray {there}, and {here} is installed here: install the same version"
        )
    await _reach_client(way)


async def _ask(client: httpx2.AsyncClient, way: Access, headers: Mapping[str, str]) -> httpx2.Response:
    import httpx2

    try:
        return await client.get(f"{way.dashboard}/api/version", headers=headers)
    except httpx2.TimeoutException:
        raise LinkError(f"the dashboard of {way.name} ({way.dashboard}) does not answer") from None
    except httpx2.HTTPError:
        raise LinkError(
            f"nothing answers at {way.dashboard}, the dashboard of {way.name}: "
            "is the cluster up, and its port forwarded?"
        ) from None


async def _reach_client(way: Access) -> None:
    """Raises LinkError where nothing listens at the client server's port: Ray would try for half a minute."""
    parts = urlsplit(way.client)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port), REACH_S)
    except (OSError, TimeoutError):
        raise LinkError(
            f"nothing answers at {way.client}: start the cluster with "
            f"--ray-client-server-port={parts.port}, or forward that port as well"
        ) from None
    writer.close()


def _token(name: str, host: Host) -> str:
    """The token for a cluster, from where Ray itself looks for it unless a file is set; "" for none."""
    if host.token is not None:
        try:
            token = expanded(host.token).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, UsageError) as error:
            raise HostError(f"hosts.{name}.token: {host.token} cannot be read: {error}") from None
        if not token:
            raise HostError(f"hosts.{name}.token: {host.token} is empty")
        return token
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled":
        return ""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    with contextlib.suppress(OSError, UnicodeDecodeError, UsageError):
        return expanded(path).read_text(encoding="utf-8").strip()
    return ""


def _version() -> str:
    try:
        return version("ray")
    except PackageNotFoundError:
        return "an unknown version"
