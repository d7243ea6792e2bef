"""What tests put on the machine beside files (daemons, mounts) goes when they do, however they end.

A guard is a process of its own that holds one end of a pipe. When the other end closes, because the test is
done or because its process was killed, the guard ends every process that was started for its folder, takes
down the mounts below it, and removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_STOPS_WITHIN_S = 30.0


class Guard:
    """Guards `folder` until it is told to clean up, or its owner is gone."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests, not for what cleans up after them
        )

    def clean(self) -> None:
        """Leave nothing of the folder: no process, no mount, no file."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def clean(folder: str) -> None:
    """End what was started for the folder, politely where that helps, and remove it."""
    for pid in processes(folder):
        # A Docker daemon that is asked to end takes its containers and their mounts with it.
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOPS_WITHIN_S
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    stubborn = processes(folder)
    for pid in {*stubborn, *(child for parent in stubborn for child in _descendants(parent))}:
        _signal(pid, signal.SIGKILL)
    for mounted in reversed(mounts(folder)):
        subprocess.run(["umount", "-l", mounted], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)


def processes(folder: str) -> list[int]:
    """The processes whose command line names the folder; not the guard's own."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if folder.encode() in words and __file__.encode() not in words:
                    found.append(int(entry.name))
    return found


def mounts(folder: str) -> list[str]:
    """The places below the folder where something is mounted, in the order of mounting."""
    lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return [place for line in lines if (place := line.split()[1]).startswith(f"{folder}/")]


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [one for child in children for one in (int(child), *_descendants(int(child)))]


def _signal(pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clean(sys.argv[1])
