"""The real command in a home of its own, against a local OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio

from sandbox import SandboxError, open_sandbox
from tests.support.forked_commands import CommandServer
from tests.support.openai_server import Handler, OpenAIServer, Reply, answer
from tests.support.runs import GENERATE, RIGHT

COMMAND = Path(sys.executable).with_name("flowreasoner")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs the command with this home and these settings.

    It is forked from `server`, which spares the imports; where the environment changes how Python starts, it
    is the script itself.
    """

    home: Path
    server: CommandServer
    env: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.home / "store.db"

    async def start(
        self, *args: str, stdin: bytes = b"", stdout: int | None = None
    ) -> asyncio.subprocess.Process:
        """The command, running, for tests that follow it or end it from outside."""
        if not any(name.startswith("PYTHON") for name in self.env):
            return await self.server.start(args, self.env, self.home, stdin, stdout)
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
            stderr=asyncio.subprocess.PIPE,
            env=self.env,
            cwd=self.home,
        )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        return process

    async def __call__(self, *args: str, stdin: bytes = b"", stdout: int | None = None) -> Ended:
        process = await self.start(*args, stdin=stdin, stdout=stdout)
        out, err = await asyncio.wait_for(process.communicate(), 600)
        assert process.returncode is not None
        return Ended(process.returncode, (out or b"").decode(), err.decode())


def kept() -> dict[str, str]:
    """What a command of the tests sees of the environment that the tests are run in."""
    names = ("PATH", "LANG", "DOCKER_HOST", "OMP_NUM_THREADS")
    return {k: v for k, v in os.environ.items() if k in names}


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    with TemporaryDirectory() as folder:  # a short path, as sockets need
        server = CommandServer(Path(folder), kept())
        yield server
        server.close()


@pytest.fixture
def shell(tmp_path: Path, command_server: CommandServer) -> Shell:
    env = kept() | {"HOME": str(tmp_path), "FLOWREASONER_STORE": str(tmp_path / "store.db")}
    return Shell(tmp_path, command_server, env)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def has_bubblewrap() -> bool:
    """Whether workflows can run under bubblewrap here."""
    try:
        async with open_sandbox("bwrap", size=1):
            return True
    except SandboxError:
        return False


@pytest.fixture
def light_sandbox(shell: Shell, has_bubblewrap: bool) -> None:
    """For commands that run workflows and are about something else than where: with bubblewrap, two sandboxes
    start in half of the CPU time that they take with Docker.
    """
    if has_bubblewrap:
        shell.env["FLOWREASONER_SANDBOX__BACKEND"] = "bwrap"


@dataclass
class Models:
    """A local endpoint whose models `meta` and `worker` answer as the test says."""

    server: OpenAIServer
    replies: dict[str, Reply | Handler]


@pytest_asyncio.fixture
async def models(shell: Shell) -> AsyncIterator[Models]:
    """`local/meta` writes a one-step workflow and `local/worker` a right solution, unless changed."""
    replies: dict[str, Reply | Handler] = {
        "meta": answer(GENERATE, reasoning="Think."),
        "worker": answer(RIGHT),
    }

    def handle(request: dict[str, Any]) -> Any:
        reply = replies[request["model"]]
        return reply if isinstance(reply, Reply) else reply(request)

    async with OpenAIServer(handle) as server:
        shell.env |= {
            "FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL": server.url,
            "FLOWREASONER_META_AGENT": "local/meta",
            "FLOWREASONER_WORKER": "local/worker",
        }
        yield Models(server, replies)
