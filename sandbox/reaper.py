"""Removing containers whose owner is gone: by label only, never by name or age alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox import labels
from sandbox.docker_backend import asking


@dataclass(frozen=True)
class Container:
    """One container of ours on the daemon."""

    id: str
    state: str
    owner_pid: str
    orphaned: bool


def containers(client: Any) -> list[Container]:
    """Every container that carries our label, running or not. Raises DockerException and RequestException."""
    rows = client.api.containers(all=True, filters={"label": [f"{labels.LABEL}=1"]})
    return [
        Container(
            id=row["Id"],
            state=row["State"],
            owner_pid=row["Labels"].get(f"{labels.LABEL}.pid", "?"),
            orphaned=labels.orphaned(row["Labels"]),
        )
        for row in rows
    ]


def reap(client: Any) -> list[str]:
    """Remove the orphaned ones; returns their ids. One that a daemon cannot get rid of holds up nobody: it,
    and those after it, are left to the next time.

    Raises:
        SandboxError: the daemon does not answer.
    """
    from docker.errors import APIError
    from requests.exceptions import RequestException

    removed: list[str] = []
    with asking():
        orphans = [container for container in containers(client) if container.orphaned]
    for container in orphans:
        try:
            client.api.remove_container(container.id, force=True, v=True)
        except APIError:  # it ended by itself, or another process reaps it too
            continue
        except RequestException:
            break
        removed.append(container.id)
    return removed
