"""A job on another host. Its directory here is a copy of what it has written there so far."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from engine.paths import expanded
from training.jobs import directory
from training.jobs.directory import Checkpoint, JobError, JobSpec, JobStatus, Report, silent
from training.jobs.host.status import write
from training.jobs.remote.archive import code_files
from training.jobs.remote.errors import HostError, LinkError
from training.jobs.remote.fetching import fetch_checkpoints, fetch_store
from training.jobs.remote.host_link import BACK_OFF_S, HostLink
from training.jobs.remote.sending import files_of, send

_ASK_S = 2.0  # a state is as old as this at most; to ask for it starts a process there
_GROWING = ("progress.jsonl", "log")
L = TypeVar("L", bound=HostLink)


class RemoteJob(Generic[L]):
    """A job whose processes are on a host (`job.Job`)."""

    def __init__(self, run_dir: Path, link: L) -> None:
        self.run_dir, self.link = run_dir, link
        self._asked, self._tries, self._next_try = 0.0, 0, 0.0  # on the monotonic clock

    @property
    def there(self) -> str:
        """Its directory on the host. Only once the link is connected."""
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
        await self.link.run("stop", self.there, *([] if grace is None else [str(grace)]))
        self._asked = 0.0

    async def resume(self) -> None:
        """As `Job.resume`. Raises HostError, and JobError where the job has not ended, or is done."""
        await self.link.connect()
        directory.next_attempt(self.run_dir, await self._ask())
        await self.link.delete(f"{self.there}/stop")
        await self.launch()

    async def fetch(self, steps: Sequence[int] | None = None, report: Report = silent) -> list[Checkpoint]:
        """As `Job.fetch`; the job's own store comes too. Raises HostError where they do not arrive whole."""
        link = self.link
        await link.connect()
        there = self.there
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
        await self.link.run("remove", self.there)
        await asyncio.to_thread(directory.remove, self.run_dir)

    async def close(self) -> None:
        """As `Job.close`."""
        await self.link.close()

    async def launch(self) -> None:
        """Start what the directory here describes.

        Raises HostError where the host does not answer, JobError where it refuses.
        """
        for name in ("recipe.toml", "job.json"):
            await self.link.write(f"{self.there}/{name}", (self.run_dir / name).read_bytes())
        await self._begin()
        with _Alone(self.run_dir) as alone:
            if alone:
                await self._refresh()  # so that nobody who looks here takes the end before for its state

    async def _begin(self) -> None:
        """Have a supervisor start there. Raises HostError, and JobError where the host refuses."""
        await self.link.run("launch", self.there)

    async def _ask(self) -> JobStatus:
        """Raises HostError."""
        (there,) = await self.link.run("status", self.there)
        return directory.from_host(there, None, time.time())

    async def _refresh(self) -> JobStatus:
        """Raises HostError, and JobError where what comes cannot be written here."""
        await self.link.connect()
        status = await self._ask()  # first: what is read after the end is all there is
        for name in _GROWING:
            await self.link.bring(f"{self.there}/{name}", self.run_dir / name)
        self._keep(status)
        return status

    def _keep(self, status: JobStatus) -> None:
        kept = {key: value for key, value in asdict(status).items() if key not in ("link", "asked")}
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


async def place(
    job: RemoteJob[L], spec: JobSpec, python: Callable[[], Awaitable[str]], report: Report
) -> None:
    """Bring what a job needs to its host and start it; `python` makes the environment there, and returns the
    path of its Python. What fails before the job is launched leaves nothing behind, here or there.

    Raises:
        HostError: the host cannot be used.
        JobError: what the job needs cannot be made there.
    """
    link, run_dir = job.link, job.run_dir
    try:
        code = await link.persistently(partial(send, link, "code", await _code(), report), report)
        interpreter = await python()
        moved = {}
        for source in spec.sends:
            files = files_of(expanded(source))
            put = await link.persistently(partial(send, link, "data", files, report), report)
            moved[str(source)] = f"{put}/{source.name}" if source.is_file() else put
        argv = directory.filled_in(spec.argv, interpreter, f"{code}/flowreasoner.py", job.there)
        spec = replace(spec, recipe=_moved(spec.recipe, moved))
        directory.create(run_dir, spec, [moved.get(word, word) for word in argv], link.name)
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


async def _code() -> dict[str, Path]:
    return await asyncio.to_thread(code_files)


def _moved(recipe: str, moved: dict[str, str]) -> str:
    """The recipe with places of this machine replaced by those there: whole strings, after `hf:` as well."""
    for here, there in moved.items():
        for prefix in ("", "hf:"):
            recipe = recipe.replace(json.dumps(prefix + here), json.dumps(prefix + there))
    return recipe
