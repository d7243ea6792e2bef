"""A real Ray cluster of one node on this machine, which asks for a token."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from engine.host_config import Host

TOKEN = "0123456789abcdef" * 4
# Each process that Ray starts costs seconds of CPU time: none is started before it is needed.
FRUGAL = {
    "RAY_enable_metrics_collection": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RayCluster:
    """Two processors, little memory. `clean` ends all of its processes."""

    def __init__(self) -> None:
        # Sockets in it: a test's own folder has too long a name.
        self.folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self.token = self.folder / "token"
        self.token.write_text(TOKEN)
        self.client, self.dashboard = free_port(), free_port()
        others = ("RAY_", "FLOWREASONER_")  # settings of this process
        environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        environment |= {"RAY_TMPDIR": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0", **FRUGAL}
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        # On a busy machine, the process that Ray starts for each client takes longer than its default.
        environment |= {"RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "300"}
        command = [Path(sys.executable).parent / "ray", "start", "--head", "--block", "--port=0"]
        command += ["--num-cpus=2", "--object-store-memory=80000000", f"--temp-dir={self.folder}"]
        command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard}"]
        command += [f"--ray-client-server-port={self.client}", "--min-worker-port=0", "--max-worker-port=0"]
        self.output = self.folder / "output"
        with self.output.open("wb") as output:
            self._head = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self._wait()

    def host(self, **changes: object) -> Host:
        """The cluster as a host of the config file."""
        values = {
            "address": f"ray://127.0.0.1:{self.client}",
            "dashboard": self.dashboard,
            "token": self.token,
            "workdir": str(self.folder / "there"),
        }
        return Host.model_validate({**values, **changes})

    def _wait(self) -> None:
        """Until its dashboard answers, if only that it wants a token, and its client server does."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self._head.poll() is None, self.output.read_text()
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{self.dashboard}/api/version", timeout=10)
                except urllib.error.HTTPError as error:
                    assert error.code == 401
                    socket.create_connection(("127.0.0.1", self.client), 10).close()
                    return
            time.sleep(0.1)
        raise AssertionError(f"the cluster did not start: {self.output.read_text()}")

    def clean(self) -> None:
        """End it, and delete what it has written."""
        while pids := self._pids():  # one that is killed may have started another
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._head.wait()
        shutil.rmtree(self.folder)

    def _pids(self) -> list[int]:
        mark, found = f"RAY_TMPDIR={self.folder}\0".encode(), []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found


class Tunnel:
    """A forwarded port, as of `ssh -L`, that can be cut. Use as an async context manager."""

    def __init__(self, port: int) -> None:
        self._to, self.port = port, free_port()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Tunnel:
        await self.mend()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Break all connections, and take no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, there_writer}
        await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    target.close()
