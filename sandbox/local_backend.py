"""No sandbox: the same runner as a plain child process. Only where the user typed `unsafe-local`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.bwrap_backend import BwrapTransport, Child, cannot_start, own_packages
from sandbox.docker_backend import ENVIRONMENT
from sandbox.guest_zip import guest_zip
from sandbox.sizing import default_size

_ENDS_WITHIN_S = 8.0
_BOOT = """
import sys
sys.path.insert(0, sys.argv[1] + "/guest.zip")
from guest.local import main
main(sys.argv[1])
"""


class LocalBackend:
    """Starts runners that only limit what a process uses; code can do all that this user can."""

    name = stamp = "unsafe-local"
    own_uids = False
    _DESCRIPTION = (
        "UNSAFE: no sandbox at all. Generated code runs as this user, with the network, all files and all "
        "keys this user can reach, and can forge its verdicts; only time, memory per process and output are "
        "limited. Results are marked unsafe-local."
    )

    def __init__(self, image: str = "core", needs: Sequence[str] = ()) -> None:
        self.size = default_size()
        self.description = self._DESCRIPTION + own_packages(sys.executable, image, needs)

    async def start(self) -> LocalTransport:
        """A new runner in a directory of its own.

        Raises:
            SandboxError: it cannot be started.
        """
        try:
            child = await asyncio.to_thread(_spawn)
            try:
                streams = await asyncio.open_connection(sock=child.sock)
            except BaseException:
                child.sock.close()  # it ends by itself then, and leaves nothing
                raise
        except OSError as error:
            raise cannot_start("the runner", error) from None
        return LocalTransport(child, *streams)


def _spawn() -> Child:
    folder = tempfile.mkdtemp(prefix="flowreasoner-unsafe-")  # the runner removes it
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        archive = Path(folder, "guest.zip")
        archive.write_bytes(guest_zip(str(archive)))
        ours, theirs = socket.socketpair()
        undo.callback(ours.close)
        undo.callback(theirs.close)
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, folder],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env={**ENVIRONMENT, "HOME": folder},
            cwd=folder,
            start_new_session=True,
        )
        undo.pop_all()
    theirs.close()
    ours.setblocking(False)
    return Child(process, ours, -1)


class LocalTransport(BwrapTransport):
    """The streams of one runner; at their end it ends, and its supervisor ends what it started."""

    kind = "local"

    async def kill(self) -> None:
        """End the runner; it gets some seconds to end what it started. Never raises."""
        self._writer.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._child.process.wait, _ENDS_WITHIN_S)
        await super().kill()
