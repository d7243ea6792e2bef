"""The connection to a Ray cluster, by way of a `channel`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flowreasoner

from engine.experiments.ray.versions import mismatch
from training.jobs.directory import JobError, Report, silent
from training.jobs.host.processes import MARK
from training.jobs.ray.access import Access, access, check_access
from training.jobs.ray.frames import framed, next_frame
from training.jobs.remote.archive import Archive
from training.jobs.remote.errors import HostError, LinkError
from training.jobs.remote.host_link import HostLink

if TYPE_CHECKING:
    from engine.host_config import Host

# Ray starts a process for each client. On a busy head node it may come too late, or crash; the client is then
# told so, or waits for ever.
_CONNECT_S, _TRIES = 90.0, 3
_SILENT_S = 5.0  # without an answer, before the dashboard is asked whether the cluster is there at all
_PIECE = 4 << 20
_LINE = 4 << 20  # bytes, without those of a file


class RayLink(HostLink):
    """A Ray cluster. Errands are carried out on its head node."""

    def __init__(self, name: str, host: Host) -> None:
        super().__init__(name, host)
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._home, self.own_python, self._tool = "", "", ""

    @property
    def workdir(self) -> str:
        """The folder on the head node, absolute. Only once it is connected."""
        place = self.host.workdir
        if place == "~" or place.startswith("~/"):
            place = self._home + place[1:]
        return place if place.startswith("/") else f"{self._home}/{place}"

    @property
    def python(self) -> str:
        """The Python there with which jobs run. Only once it is connected."""
        return self.host.environment or self.own_python

    async def connect(self) -> None:
        """As `HostLink.connect`."""
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                await self.close()
                await self._connect()

    async def close(self) -> None:
        """As `HostLink.close`."""
        process, self._process, self._tool = self._process, None, ""
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def ask(self, method: str, *args: Any, data: bytes = b"") -> tuple[Any, bytes]:
        """What a method of `channel.Cluster` or `clerk.Clerk` returns: values, and bytes.

        Raises LinkError where the cluster does not answer, and HostError where the method failed there.
        """
        await self.connect()
        async with self._lock:
            process = self._process
            if process is None:
                raise LinkError(f"the link to {self.name} was lost")
            answer = asyncio.ensure_future(self._exchange(process, {"method": method, "args": args}, data))
            try:
                values, data = await self._awaited(answer)
            except BaseException:  # an answer that is still to come would be taken for the next one's
                answer.cancel()
                await asyncio.gather(answer, return_exceptions=True)
                await self.close()
                raise
        if "error" not in values:
            return values["value"], data
        if values["error"] == "failed":
            raise HostError(f"{self.name}: {values['text']}")
        await self.close()
        raise LinkError(f"the link to {self.name} was lost ({values['text']})")

    async def run(self, *words: str, given: bytes = b"", report: Report = silent) -> Any:
        """As `HostLink.run`."""
        command = [self.own_python, "-I", "-S", await self.tool(), *words]
        (code, said), printed = await self.ask("run", command, data=given)
        for line in (lines := said.strip().splitlines()):
            report(line)
        if code != 0:
            raise JobError(lines[-1] if lines else f"{self.name}: {words[0]} ended with code {code}")
        printed_lines = printed.splitlines()
        return json.loads(printed_lines[-1]) if printed_lines else None

    async def has(self, module: str) -> bool:
        """Whether the Python of jobs has a module."""
        program = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
        await self.connect()
        (code, _), _ = await self.ask("run", [self.python, "-P", "-c", program])
        return code == 0

    async def tool(self) -> str:
        """The path there of the package `training.jobs.host`, put there if it is not."""
        await self.connect()
        if not self._tool:
            archive = Archive.of_host_tool()
            tool = f"{self.workdir}/bin/{archive.name}.pyz"
            if (await self.ask("size", tool))[0] is None:
                await self.write(tool, archive.data)
            self._tool = tool
        return self._tool

    async def is_folder(self, path: str) -> bool:
        """As `HostLink.is_folder`."""
        return (await self.ask("is_folder", path))[0]

    async def listed(self, folder: str) -> list[str]:
        """As `HostLink.listed`."""
        return (await self.ask("listed", folder))[0]

    async def write(self, path: str, data: bytes) -> None:
        """As `HostLink.write`."""
        await self.ask("write", path, data=data)

    async def append(self, path: str, source: Path, offset: int) -> None:
        """As `HostLink.append`."""
        with source.open("rb") as file:
            file.seek(offset)
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await self.ask("append", path, data=piece)

    async def delete(self, path: str) -> None:
        """As `HostLink.delete`."""
        await self.ask("delete", path)

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncGenerator[_Source | None, None]:
        """As `HostLink.reading`."""
        size, _ = await self.ask("size", path)
        yield None if size is None else _Source(self, path, size)

    async def _connect(self) -> None:
        way = access(self.name, self.host)
        await check_access(way)
        for attempt in range(1, _TRIES + 1):
            try:
                await self._open(way)
                return
            except LinkError:
                if attempt == _TRIES:
                    raise

    async def _open(self, way: Access) -> None:
        """Start the channel. Raises LinkError and HostError."""
        inherited = {
            name: value for name, value in os.environ.items() if name != MARK and not name.startswith("RAY_")
        }
        self._process = await asyncio.create_subprocess_exec(
            *flowreasoner.command("training.jobs.ray.channel", way.client, way.dashboard),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE,
            env={**inherited, **way.environment},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        try:
            values, _ = await asyncio.wait_for(next_frame(self._process.stdout), _CONNECT_S)
            if "error" in values:
                raise _refusal(way, values["text"])
        except BaseException as error:
            await self.close()
            if isinstance(error, (TimeoutError, EOFError)):
                raise LinkError(f"the client server of {self.name} ({way.client}) does not answer") from None
            raise
        self._home, self.own_python = values["value"]

    async def _exchange(
        self, process: asyncio.subprocess.Process, request: dict[str, Any], data: bytes
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(framed(request, data))
        await process.stdin.drain()
        return await next_frame(process.stdout)

    async def _awaited(
        self, answer: asyncio.Future[tuple[dict[str, Any], bytes]]
    ) -> tuple[dict[str, Any], bytes]:
        """The answer, for as long as the cluster is there. Raises LinkError, and HostError as `connect`."""
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=_SILENT_S)
                if not answer.done():
                    await check_access(access(self.name, self.host))
            return answer.result()
        except (EOFError, ConnectionError):
            raise LinkError(f"the link to {self.name} was lost") from None


class _Source:
    """A `host_link.Source`."""

    def __init__(self, link: RayLink, path: str, size: int) -> None:
        self._link, self._path, self.size = link, path, size

    async def read(self, count: int, offset: int) -> bytes:
        """As `Source.read`."""
        return (await self._link.ask("read", self._path, count, offset))[1]


def _refusal(way: Access, text: str) -> HostError:
    """The sentence for why Ray's client could not connect."""
    if differ := mismatch(text):
        return HostError(f"{way.name} {differ}")
    return LinkError(f"the client server of {way.name} ({way.client}) cannot be used: {text[:300]}")


def entry_point(python: str, tool: str, run_dir: str) -> str:
    """The command line that Ray starts for a job: its supervisor, which ends when the job does."""
    return "exec " + shlex.join([python, "-I", "-S", tool, "supervise", run_dir])
