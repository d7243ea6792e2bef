"""A job on another machine. Its directory here is a copy of what it has written there so far."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.paths import expanded
from training.jobs import directory
from training.jobs.directory import Checkpoint, JobError, JobSpec, JobStatus, Report, silent
from training.jobs.host.status import write
from training.jobs.remote.archive import code_files
from training.jobs.remote.errors import HostError, LinkError
from training.jobs.remote.fetching import fetch_checkpoints, fetch_store
from training.jobs.remote.hosts import check, check_port_there, environment
from training.jobs.remote.link import BACK_OFF_S, Link
from training.jobs.remote.sending import files_of, send

if TYPE_CHECKING:
    from engine.host_config import Host

_ASK_S = 2.0  # a state is as old as this at most; to ask for it starts a process there
_GROWING = ("progress.jsonl", "log")


class SSHJob:
    """A job whose processes are on a host (`job.Job`)."""

    def __init__(self, run_dir: Path, name: str, host: Host) -> None:
        self.run_dir, self.link = run_dir, Link(name, host)
        self._asked, self._tries, self._next_try = 0.0, 0, 0.0  # on the monotonic clock

    def _there(self) -> str:
        return f"{self.link.workdir}/jobs/{self.run_dir.name}"

    async def status(self) -> JobStatus:
        """How it is, with what it has written since brought here; never raises for the link's sake."""
        known = directory.status(self.run_dir)
        now = time.monotonic()
        if known.link is None and known.asked is not None and now - self._asked < _ASK_S:
            return known
        if now < self._next_try:
            return known
        try:
            with _Alone(self.run_dir) as alone:
                if not alone:
                    return known  # another process brings it here
                known = await self._refresh()
                self._tries = 0
        except HostError as error:
            self._next_try = time.monotonic() + BACK_OFF_S[min(self._tries, len(BACK_OFF_S) - 1)]
            self._tries += 1
            known = replace(known, link=str(error))
            self._keep(known)
        self._asked = time.monotonic()
        return known

    async def log(self, offset: int = 0) -> bytes:
        """As `Job.log`: what has been copied here."""
        return directory.read_from(self.run_dir / "log", offset)

    async def stop(self, grace: float | None = None) -> None:
        """As `Job.stop`. Raises HostError, and JobError where the job has ended."""
        await self.link.connect()
        await self.link.run("stop", self._there(), *([] if grace is None else [str(grace)]))
        self._asked = 0.0

    async def resume(self) -> None:
        """As `Job.resume`. Raises HostError, and JobError where the job has not ended, or is done."""
        await self.link.connect()
        directory.next_attempt(self.run_dir, await self._ask())
        sftp = await self.link.sftp()
        async with self.link.told():
            if await sftp.exists(f"{self._there()}/stop"):
                await sftp.remove(f"{self._there()}/stop")
        await self.launch()

    async def fetch(self, steps: Sequence[int] | None = None, report: Report = silent) -> list[Checkpoint]:
        """As `Job.fetch`; the job's own store comes too. Raises HostError where they do not arrive whole."""
        link = self.link
        await link.connect()
        there = self._there()
        await link.persistently(lambda: fetch_store(link, there, self.run_dir), report)
        return await link.persistently(
            lambda: fetch_checkpoints(link, there, self.run_dir, steps, report), report
        )

    async def remove(self) -> None:
        """As `Job.remove`, there and here. Raises HostError, and JobError where the job has not ended."""
        await self.link.connect()
        now = await self._ask()
        if not now.has_ended:
            raise JobError(f"job {self.run_dir.name} is {now.state}; stop it before you remove it")
        await self.link.run("remove", self._there())
        await asyncio.to_thread(directory.remove, self.run_dir)

    async def close(self) -> None:
        """As `Job.close`."""
        await self.link.close()

    async def launch(self) -> None:
        """Start what the directory here describes.

        Raises HostError where the host does not answer, JobError where it refuses.
        """
        sftp = await self.link.sftp()
        async with self.link.told():
            await sftp.makedirs(self._there(), exist_ok=True)
        for name in ("recipe.toml", "job.json"):
            await self.link.write(f"{self._there()}/{name}", (self.run_dir / name).read_bytes())
        await self.link.run("launch", self._there())
        with _Alone(self.run_dir) as alone:
            if alone:
                await self._refresh()  # so that nobody who looks here takes the end before for its state

    async def _ask(self) -> JobStatus:
        """Raises HostError."""
        (there,) = await self.link.run("status", self._there())
        return directory.from_host(there, None, time.time())

    async def _refresh(self) -> JobStatus:
        """Raises HostError, and JobError where what comes cannot be written here."""
        await self.link.connect()
        status = await self._ask()  # first: what is read after the end is all there is
        for name in _GROWING:
            await self.link.bring(f"{self._there()}/{name}", self.run_dir / name)
        self._keep(status)
        return status

    def _keep(self, status: JobStatus) -> None:
        kept = {k: v for k, v in asdict(status).items() if k not in ("link", "asked")}
        write(self.run_dir / "link.json", {"status": kept, "link": status.link, "asked": status.asked})


class _Alone:
    """Whether this is the only process that copies into a directory now."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "link.lock"

    def __enter__(self) -> bool:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *exc: object) -> None:
        self._file.close()


async def submit_there(spec: JobSpec, folder: Path, name: str, host: Host, report: Report) -> SSHJob:
    """Start a job on a host. What fails before it is launched leaves nothing behind, here or there.

    Raises:
        HostError: the host cannot be used.
        JobError: what the job needs cannot be made there.
    """
    run_dir = folder / spec.id
    job = SSHJob(run_dir, name, host)
    link = job.link
    try:
        found = await check(link, spec.gpus)
        for warning in found.warnings:
            report(warning)
        if found.problems:
            raise HostError("; ".join(found.problems))
        files = await asyncio.to_thread(code_files)
        code = await link.persistently(partial(send, link, "code", files, report), report)
        python = await environment(link, spec.needs, report)
        if spec.port is not None:
            await check_port_there(link, python, spec.port)
        moved = {}
        for place in spec.sends:
            files = files_of(expanded(place))
            put = await link.persistently(partial(send, link, "data", files, report), report)
            moved[str(place)] = f"{put}/{place.name}" if place.is_file() else put
        there = f"{link.workdir}/jobs/{spec.id}"
        argv = directory.filled_in(spec.argv, python, f"{code}/flowreasoner.py", there)
        spec = replace(spec, recipe=_moved(spec.recipe, moved))
        directory.create(run_dir, spec, [moved.get(word, word) for word in argv], name)
    except BaseException:
        await link.close()
        raise
    try:
        await job.launch()
    except LinkError as error:
        # It may run there: whoever asks for its state will find out.
        see = f"see whether it runs with: flowreasoner jobs show {spec.id}"
        raise LinkError(f"{error}, while the job was launched; {see}") from None
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, run_dir, ignore_errors=True)
        await link.close()
        raise
    return job


def _moved(recipe: str, moved: dict[str, str]) -> str:
    """The recipe with places of this machine replaced by those there: whole strings, after `hf:` as well."""
    for here, there in moved.items():
        for prefix in ("", "hf:"):
            recipe = recipe.replace(json.dumps(prefix + here), json.dumps(prefix + there))
    return recipe
