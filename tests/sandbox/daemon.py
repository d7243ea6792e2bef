"""A Docker daemon of the tests' own, beside the machine's: one that may be stopped, killed and filled up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from sandbox.docker_backend import connect
from sandbox.types import SandboxError
from tests.support.leftovers import Guard

MAIN_HOST = "unix:///var/run/docker.sock"


class Daemon:
    """`dockerd` with every path under a folder of its own, without networks."""

    def __init__(self, data_root: Path | None = None, listen: tuple[str, ...] = ()) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="flowreasoner-dockerd-"))
        self._guard = Guard(self.root)
        self.data_root = data_root or self.root / "data"
        self.host = f"unix://{self.root}/docker.sock"
        self._listen = listen  # where else, as options of `dockerd`
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Why there can be no second daemon here."""
        if os.geteuid() != 0:
            return "a second Docker daemon needs root"
        return None if shutil.which("dockerd") else "dockerd is not installed"

    def start(self) -> None:
        command = ["dockerd", "--data-root", str(self.data_root), "--exec-root", str(self.root / "exec")]
        command += [
            *self._listen,
            "-H",
            self.host,
            "--pidfile",
            str(self.root / "pid"),
            "--bridge=none",
            "--iptables=false",
        ]
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while True:
            try:
                connect(timeout=5, host=self.host)
                return
            except SandboxError:
                assert time.monotonic() < deadline, (self.root / "log").read_text()[-2000:]
                time.sleep(0.05)

    def client(self) -> Any:
        return connect(host=self.host)

    def stop(self) -> None:
        """As an administrator would: its containers end with it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash would: its containers' processes live on, with nobody to talk to."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(120)
            self._process = None
            (self.root / "pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop it and leave nothing of it: no process, no mount, no file."""
        self._guard.clean()
        if self._process is not None:
            self._process.wait()
            self._process = None


class LoopDisk:
    """A small file system in a file, for a Docker root that can be full."""

    def __init__(self, megabytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="flowreasoner-disk-"))
        self._guard = Guard(self.folder)
        self.mount = self.folder / "mount"
        self._file = self.folder / "disk"
        with self._file.open("wb") as file:
            file.truncate(megabytes << 20)
        self.mount.mkdir()
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(self._file)], check=True)
        if subprocess.run(["mount", "-o", "loop", str(self._file), str(self.mount)], check=False).returncode:
            self._guard.clean()
            raise OSError("no loop device can be mounted here")

    def fill(self) -> Path:
        """Write to a file until there is no space, not for a block; returns it."""
        path = self.mount / "filler"
        for size in (1 << 20, 512):
            with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        return path

    def remove(self) -> None:
        self._guard.clean()
