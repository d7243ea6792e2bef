"""The error of a cluster, in a module of its own that can be imported without Ray."""

from __future__ import annotations

from sandbox.errors import UnavailableError


class ClusterError(UnavailableError):
    """The cluster, or one of its workers, cannot carry out trials; the message says why and what to do."""
