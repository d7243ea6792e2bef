"""Ports for servers that are told theirs."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

_LOWEST = 10_000


def unused_port() -> int:
    """A port of 127.0.0.1 that nothing has.

    It is not one that the kernel gives to those who ask for any: another process could have it before the
    server does, as a client's end of a connection, too.
    """
    given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    below = max(int(given[0]), _LOWEST + 1)
    while True:
        port = random.SystemRandom().randrange(_LOWEST, below)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
