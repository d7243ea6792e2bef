"""Removing containers whose owner is gone: by label only, never by name or age alone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from sandbox import labels


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
    """Remove the orphaned ones; returns their ids. Raises DockerException and RequestException."""
    from docker.errors import APIError

    removed: list[str] = []
    for container in containers(client):
        if not container.orphaned:
            continue
        with contextlib.suppress(APIError):  # it ended by itself, or another process reaps it too
            client.api.remove_container(container.id, force=True, v=True)
            removed.append(container.id)
    return removed
