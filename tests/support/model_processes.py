"""The processes of models that a test starts: found by their sockets, and ended with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest


@contextlib.contextmanager
def of_their_own() -> Generator[Path]:
    """Have a runtime folder that nothing else uses; the processes of models that were started end with it."""
    # Not below pytest's folder: a socket's path may have no more than about 100 bytes.
    with tempfile.TemporaryDirectory(prefix="fr-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        try:
            yield Path(folder)
        finally:
            for pid in serving(Path(folder)):
                os.kill(pid, signal.SIGKILL)


def serving(runtime: Path) -> list[int]:
    """The processes that serve a model below this runtime folder."""
    found: list[int] = []
    for path in runtime.glob("flowreasoner/models/*.sock"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            found.append(struct.unpack("3i", credentials)[0])
    return found


@contextlib.contextmanager
def in_use(runtime: Path) -> Generator[None]:
    """Be connected to the processes below this runtime folder, which then do not end by themselves."""
    with contextlib.ExitStack() as users:
        for path in runtime.glob("flowreasoner/models/*.sock"):
            user = users.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            with contextlib.suppress(ConnectionRefusedError):  # one that was killed leaves its socket
                user.connect(str(path))
        yield
