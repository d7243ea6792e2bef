"""What goes wrong with a cluster, apart from what needs Ray or opens anything."""

from __future__ import annotations

from sandbox.errors import UnavailableError


class ClusterError(UnavailableError):
    """The cluster, or a worker of it, cannot carry trials out; the message says why and what to do."""
