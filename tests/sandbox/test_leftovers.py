"""Tests that are interrupted, at any moment and in any way, leave no daemon, mount or container behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sandbox.daemon import Daemon
from tests.support.leftovers import mounts, processes

ROOT = Path(__file__).resolve().parents[2]

# What the tests of faults do: a daemon on a small disk. `{}` is what happens then.
INTERRUPTED = """
import signal, sys, time
from tests.sandbox.daemon import Daemon, LoopDisk
disk = LoopDisk(100)
daemon = Daemon(disk.mount)
print(disk.folder, daemon.root, flush=True)
daemon.start()
print("started", flush=True)
{}
time.sleep(600)
"""
# A program that catches what it is sent, and does not clean up: its fixtures never came to their end.
DEAF = "signal.signal(signal.SIGINT, lambda *_: __import__('os')._exit(1))"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["while it starts", "once it runs"])
def test_nothing_is_left(how: signal.Signals, when: str) -> None:
    if (why := Daemon.missing()) is not None:
        pytest.skip(why)
    tests = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(DEAF)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert tests.stdout is not None
    folders = tests.stdout.readline().split()
    if len(folders) != 2:
        pytest.skip("no loop device can be mounted here")
    if when == "once it runs":
        assert tests.stdout.readline() == "started\n"
        assert any(processes(folder) for folder in folders) and mounts(folders[0])
    tests.send_signal(how)
    tests.wait()

    deadline = time.monotonic() + 120
    while left := [what for folder in folders for what in of(folder)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def of(folder: str) -> list[object]:
    """What there still is of the folder: processes, mounts, a loop device, itself."""
    found = subprocess.run(["losetup", "--list", "--raw"], capture_output=True, text=True, check=False)
    devices = [line for line in found.stdout.splitlines() if folder in line]
    return [*processes(folder), *mounts(folder), *devices, *([folder] if Path(folder).exists() else [])]
