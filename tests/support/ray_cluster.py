"""A real Ray cluster on this machine, of one node or of several, which asks for a token."""

from __future__ import annotations

import asyncio
import contextlib
import json
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
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.host_config import Host
from training.jobs.host.processes import members

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
    """One node, and those that `join`; little memory. `clean` ends all of their processes."""

    def __init__(self, cpus: int = 2, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are those of our own that the nodes' environment has."""
        # Sockets in it: a test's own folder has too long a name.
        self.folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self.token = self.folder / "token"
        self.token.write_text(TOKEN)
        self.gcs, self.client, self.dashboard = free_port(), free_port(), free_port()
        others = ("RAY_", "FLOWREASONER_")  # settings of this process
        environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        environment |= {"RAY_TMPDIR": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0", **FRUGAL}
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        # On a busy machine, the process that Ray starts for each client takes longer than its default.
        environment |= {"RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "300"}
        self._environment = environment | dict(settings or {})
        self._nodes: list[subprocess.Popen[bytes]] = []
        ports = (f"--port={self.gcs}", f"--ray-client-server-port={self.client}")
        dashboard = ("--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard}")
        self._start(cpus, "--head", *ports, *dashboard, f"--temp-dir={self.folder}")
        self._wait(self._is_up)

    def join(self, cpus: int) -> None:
        """Add a node. Its ports are its own: two nodes of one machine would have some in common."""
        count = len(self._nodes) + 1
        self._start(cpus, f"--address=127.0.0.1:{self.gcs}")
        self._wait(lambda: self._alive() == count)

    def workers(self) -> list[list[int]]:
        """The processes that carry trials out, by node."""
        return [[pid for pid in self._of(node) if _is_worker(pid)] for node in self._nodes]

    def lose(self) -> None:
        """Kill everything on the node that joined last, as when its machine is switched off."""
        for pid in self._of(self._nodes[-1]):
            with contextlib.suppress(ProcessLookupError):  # some end as soon as another does
                os.kill(pid, signal.SIGKILL)

    def _of(self, node: subprocess.Popen[bytes]) -> list[int]:
        return [*members("", node.pid)]

    def _start(self, cpus: int, *options: str) -> None:
        command = [Path(sys.executable).parent / "ray", "start", "--block", f"--num-cpus={cpus}", *options]
        command += ["--object-store-memory=80000000", "--min-worker-port=0", "--max-worker-port=0"]
        command += [f"--dashboard-agent-listen-port={free_port()}"]
        self.output = self.folder / f"output{len(self._nodes)}"
        with self.output.open("wb") as output:
            node = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        self._nodes.append(node)

    def host(self, **changes: object) -> Host:
        """The cluster as a host of the config file."""
        values = {
            "address": f"ray://127.0.0.1:{self.client}",
            "dashboard": self.dashboard,
            "token": self.token,
            "workdir": str(self.folder / "there"),
        }
        return Host.model_validate({**values, **changes})

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self._nodes[-1].poll() is None, self.output.read_text()
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                if holds():
                    return
            time.sleep(0.1)
        raise AssertionError(f"the cluster did not start: {self.output.read_text()}")

    def _is_up(self) -> bool:
        """Whether its dashboard answers, if only that it wants a token, and its client server does."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.dashboard}/api/version", timeout=10)
        except urllib.error.HTTPError as error:
            assert error.code == 401
            socket.create_connection(("127.0.0.1", self.client), 10).close()
            return True
        return False

    def _alive(self) -> int:
        """How many nodes it has."""
        address = f"http://127.0.0.1:{self.dashboard}/nodes?view=summary"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            nodes = json.load(reply)["data"]["summary"]
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def clean(self) -> None:
        """End it, and delete what it has written."""
        while pids := self._pids():  # one that is killed may have started another
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for node in self._nodes:
            node.wait()
        shutil.rmtree(self.folder)

    def _pids(self) -> list[int]:
        mark, found = f"RAY_TMPDIR={self.folder}\0".encode(), []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found


def _is_worker(pid: int) -> bool:
    try:
        return b"ray::TrialWorker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return False


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
