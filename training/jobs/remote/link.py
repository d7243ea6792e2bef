"""The connection to a host over SSH: made when it is needed, and again after it was lost.

asyncssh reads the user's own SSH configuration, with its keys, agent, known hosts and jump hosts.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.jobs.directory import JobError, Report, silent
from training.jobs.remote.archive import Archive
from training.jobs.remote.errors import HostError, LinkError, why
from training.jobs.remote.host_link import HostLink

if TYPE_CHECKING:
    import asyncssh

    from engine.host_config import Host

# A silent link is noticed after three intervals, whoever is silent: by default SSH would wait for ever.
KEEPALIVE_S, KEEPALIVE_COUNT = 4, 2
_CONNECT_S, _LOGIN_S = 10, 20
_PIECE = 4 << 20
OLDEST_PYTHON = (3, 11)


class Link(HostLink):
    """A host over SSH."""

    def __init__(self, name: str, host: Host) -> None:
        super().__init__(name, host)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None
        self._lock = asyncio.Lock()
        self._home, self._tool = "", ""

    @property
    def python(self) -> str:
        """The Python there, which errands use."""
        return self.host.environment or self.host.python

    @property
    def workdir(self) -> str:
        """The folder there, absolute. Only once it is connected."""
        place = self.host.workdir
        if place == "~" or place.startswith("~/"):
            place = self._home + place[1:]
        return place if place.startswith("/") else f"{self._home}/{place}"

    async def sftp(self) -> asyncssh.SFTPClient:
        """The file transfer. Raises HostError as `connect` does."""
        await self.connect()
        assert self._sftp is not None
        return self._sftp

    async def connect(self) -> asyncssh.SSHClientConnection:
        """The connection, made if there is none.

        Raises HostError where asyncssh is not installed or the host cannot be used, LinkError where it does
        not answer.
        """
        try:
            importlib.import_module("asyncssh")
        except ImportError:
            raise HostError("jobs on hosts need asyncssh: pip install 'flowreasoner[remote]'") from None
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                await self.close()
                async with self.told():
                    await self._connect()
            assert self._connection is not None
            return self._connection

    async def close(self) -> None:
        """Close the connection; the next call connects again."""
        connection, self._connection, self._sftp, self._tool = self._connection, None, None, ""
        if connection is not None:
            connection.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), 2)

    @contextlib.asynccontextmanager
    async def told(self) -> AsyncGenerator[None, None]:
        """Turns what fails in the block because of the link or the host into a HostError."""
        import asyncssh

        try:
            yield
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ChannelOpenError) as error:
            raise LinkError(f"the link to {self.name} was lost ({error.reason})") from None
        except asyncssh.SFTPError as error:
            raise HostError(f"{self.name}: {error.reason}") from None
        except (asyncssh.Error, OSError, ValueError) as error:
            self._connection, lost = None, self._connection
            if lost is not None:
                lost.abort()
            raise why(self.name, self.host, error, connected=lost is not None) from None

    async def run(self, *words: str, given: bytes = b"", report: Report = silent) -> Any:
        """Carry out an errand there (`host.__main__`); its answer.

        Raises:
            HostError: the host cannot be used, or it prints something of its own after the answer.
            LinkError: the link was lost on the way, and whether it was carried out is not known.
            JobError: it was refused, with the sentence from there.
        """
        tool = await self._tool_there()
        connection = await self.connect()
        async with self.told():
            command = shlex.join([self.python, "-I", "-S", tool, *words])
            async with connection.create_process(command, encoding=None) as process:
                # At once: who waits for the one could keep the other from being written.
                answer, said, _ = await asyncio.gather(
                    process.stdout.read(), _lines(process.stderr, report), _feed(process.stdin, given)
                )
                code = (await process.wait()).exit_status
        if code is None:
            raise LinkError(f"the link to {self.name} was lost")
        if code != 0:
            raise JobError(said or f"{self.name}: {words[0]} ended with code {code}")
        return self._answer(answer)

    def _answer(self, printed: bytes) -> Any:
        lines = printed.splitlines()
        try:
            return json.loads(lines[-1]) if lines else None
        except (ValueError, RecursionError):
            said = lines[-1].decode("utf-8", "replace").strip()[:200]
            raise HostError(
                f"{self.name} prints something of its own where the answer should be: {said!r}; "
                "see to it that its shell's files and its Python print nothing"
            ) from None

    async def shell(self, command: str) -> tuple[int | None, str]:
        """Exit code and output of a command of the host's own. Raises HostError as `connect` does."""
        connection = await self.connect()
        async with self.told():
            done = await connection.run(command, check=False)
        return done.exit_status, f"{done.stdout or ''}"

    async def _connect(self) -> None:
        import asyncssh

        host = self.host
        self._connection = await asyncssh.connect(
            host.address,
            port=host.port if host.port is not None else (),
            username=host.user if host.user is not None else (),
            keepalive_interval=KEEPALIVE_S,
            keepalive_count_max=KEEPALIVE_COUNT,
            connect_timeout=_CONNECT_S,
            login_timeout=_LOGIN_S,
        )
        self._sftp = await self._connection.start_sftp_client()
        self._home = await self._sftp.realpath(".")  # type: ignore[assignment]  # str, as "." is

    async def _tool_there(self) -> str:
        """The path there of the package `training.jobs.host`, put there if it is not. Raises HostError."""
        sftp = await self.sftp()
        if self._tool:
            return self._tool
        await self._check_python()
        archive = Archive.of_host_tool()
        tool = f"{self.workdir}/bin/{archive.name}.pyz"
        async with self.told():
            there = await sftp.exists(tool)
        if not there:
            await self.write(tool, archive.data)
        self._tool = tool
        return tool

    async def is_folder(self, path: str) -> bool:
        """As `HostLink.is_folder`."""
        sftp = await self.sftp()
        async with self.told():
            return await sftp.isdir(path)

    async def listed(self, folder: str) -> list[str]:
        """As `HostLink.listed`."""
        sftp = await self.sftp()
        async with self.told():
            return [str(name) for name in await sftp.listdir(folder)] if await sftp.isdir(folder) else []

    async def write(self, path: str, data: bytes) -> None:
        """As `HostLink.write`."""
        sftp = await self.sftp()
        async with self.told():
            await sftp.makedirs(path.rpartition("/")[0], exist_ok=True)
            async with sftp.open(f"{path}.tmp", "wb") as file:
                await file.write(data)
            await sftp.posix_rename(f"{path}.tmp", path)

    async def append(self, path: str, source: Path, offset: int) -> None:
        """As `HostLink.append`."""
        sftp = await self.sftp()
        async with self.told(), sftp.open(path, "ab") as target:
            with source.open("rb") as file:
                file.seek(offset)
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    await target.write(piece)

    async def delete(self, path: str) -> None:
        """As `HostLink.delete`."""
        sftp = await self.sftp()
        async with self.told():
            if await sftp.exists(path):
                await sftp.remove(path)

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncGenerator[_Source | None, None]:
        """As `HostLink.reading`."""
        sftp = await self.sftp()
        async with self.told():
            file = await sftp.open(path, "rb") if await sftp.exists(path) else None
            size = 0 if file is None else (await file.stat()).size or 0
        if file is None:
            yield None
            return
        try:
            yield _Source(self, file, size)
        finally:
            if self._connection is not None:
                await file.close()

    async def _check_python(self) -> None:
        program = "import sys; print(*sys.version_info[:2])"
        code, output = await self.shell(shlex.join([self.python, "-I", "-S", "-c", program]))
        setting = f"hosts.{self.name}.{'environment' if self.host.environment else 'python'}"
        numbers = output.split()[-2:]
        if code != 0 or not all(number.isdecimal() for number in numbers) or len(numbers) < 2:
            raise HostError(f"{self.name} has no Python that runs as {self.python!r}: set {setting}")
        if tuple(map(int, numbers)) < OLDEST_PYTHON:
            wanted = ".".join(map(str, OLDEST_PYTHON))
            has = f"{self.python} of {self.name} is Python {'.'.join(numbers)}"
            raise HostError(f"{has}, and {wanted} or newer is needed: set {setting}")


class _Source:
    """A `host_link.Source`."""

    def __init__(self, link: Link, file: Any, size: int) -> None:
        self._link, self._file, self.size = link, file, size

    async def read(self, count: int, offset: int) -> bytes:
        """As `Source.read`."""
        async with self._link.told():
            return await self._file.read(count, offset)


async def _lines(stream: Any, report: Report) -> str:
    """Read a stream to its end, telling each line; the last one."""
    last = ""
    async for raw in stream:
        line = raw.decode("utf-8", "replace").strip()
        if line:
            report(line)
            last = line
    return last


async def _feed(stream: Any, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it ended without reading all; its exit code says why
        for start in range(0, len(data), 1 << 18):
            stream.write(data[start : start + (1 << 18)])
            await stream.drain()
        stream.write_eof()
