"""Who owns a container: labels that let anyone tell later whether its owner still lives."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from sandbox.processes import boot_id, pid_namespace, started

LABEL = "flowreasoner"
LIFETIME_S = 12 * 3600  # a container ends itself after this, whoever holds it


def own() -> dict[str, str]:
    """The labels of a container this process creates now."""
    pid = os.getpid()
    return {
        LABEL: "1",
        f"{LABEL}.pid": str(pid),
        f"{LABEL}.started": str(started(pid)),
        f"{LABEL}.boot": boot_id(),
        f"{LABEL}.pidns": pid_namespace(),
        f"{LABEL}.deadline": str(int(time.time()) + LIFETIME_S),
    }


def orphaned(labels: Mapping[str, str]) -> bool:
    """Whether nobody can need the container: its owner is dead, or its deadline has passed.

    An owner in another pid namespace or on another boot (a remote daemon's other clients) cannot be
    asked; its containers go by their deadline alone.
    """
    try:
        deadline, pid = int(labels[f"{LABEL}.deadline"]), int(labels[f"{LABEL}.pid"])
    except (KeyError, ValueError):
        return False  # not one of ours, whatever its label says
    if deadline < time.time():
        return True
    if labels.get(f"{LABEL}.boot") != boot_id() or labels.get(f"{LABEL}.pidns") != pid_namespace():
        return False
    return str(started(pid)) != labels.get(f"{LABEL}.started")
