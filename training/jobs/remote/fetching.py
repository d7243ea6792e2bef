"""Checkpoints and rollouts on their way from a host: whole, verified, and resumed after a broken link."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.files import FileNameError, checked_name
from training.jobs.directory import Checkpoint, Report
from training.jobs.host.blobs import sha256
from training.jobs.host.status import read
from training.jobs.remote.errors import HostError
from training.jobs.remote.host_link import HostLink

_STEP = re.compile(r"step-(\d{1,12})")
_TRIES = 2


async def fetch_checkpoints(
    link: HostLink, there: str, here: Path, steps: Sequence[int] | None, report: Report
) -> list[Checkpoint]:
    """Copy checkpoints of the job `there` into the directory `here`; all of them where `steps` is None.

    Returns them, the newest first. Raises HostError where one is damaged, does not arrive whole, or does not
    fit on this disk.
    """
    fetched = []
    for step, name in await _steps(link, there):
        if steps is not None and step not in steps:
            continue
        target = here / "checkpoints" / name
        if not target.is_dir():
            report(f"fetching {name} from {link.name}")
            await _fetch_folder(link, f"{there}/checkpoints/{name}", target)
        fetched.append(Checkpoint(step, target))
    return fetched


async def fetch_store(link: HostLink, there: str, here: Path) -> bool:
    """Copy the job's own store here, as it is now; returns whether it has one. Raises HostError."""
    if not await link.run("snapshot", there):
        return False
    draft = here / ".store.db.part"
    draft.unlink(missing_ok=True)  # of another snapshot
    await link.bring(f"{there}/.store.db", draft)
    draft.replace(here / "store.db")
    return True


async def _steps(link: HostLink, run_dir: str) -> list[tuple[int, str]]:
    """The complete checkpoints of a job there, newest first: step and name. Raises HostError."""
    names = await link.listed(f"{run_dir}/checkpoints")
    return sorted(((int(step[1]), name) for name in names if (step := _STEP.fullmatch(name))), reverse=True)


async def _fetch_folder(link: HostLink, there: str, target: Path) -> None:
    """Fetch a folder that does not change any more; it has its name once all of it is here and right."""
    hashes: dict[str, tuple[str, int]] = await link.run("hashes", there)
    try:
        names = {checked_name(name) for name in hashes}
    except FileNameError as error:
        raise HostError(f"{target.name} of {link.name} is refused: {error}") from None
    draft = target.with_name(f".{target.name}.part")
    draft.mkdir(parents=True, exist_ok=True)
    here = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    lacking, room = sum(size for _, size in hashes.values()) - here, shutil.disk_usage(draft).free
    if room < lacking:
        raise HostError(f"{target.name} takes {lacking >> 20} MiB, and {room >> 20} are free here: make room")
    for name in sorted(names):
        await _fetch_verified(link, f"{there}/{name}", draft / name, hashes[name][0])
    written = read(draft / "checkpoint.json").get("files")
    for name, digest in written.items() if isinstance(written, dict) else ():
        if name not in hashes or hashes[name][0] != digest:
            shutil.rmtree(draft)
            raise HostError(f"{target.name} is damaged on {link.name}: {name} is not what was written")
    draft.rename(target)


async def _fetch_verified(link: HostLink, there: str, path: Path, digest: str) -> None:
    for _ in range(_TRIES):
        await link.bring(there, path)
        if await asyncio.to_thread(_keep_if, path, digest):
            return
    raise HostError(f"{there} does not arrive from {link.name} as it is there")


def _keep_if(path: Path, digest: str) -> bool:
    """Whether a file is what it should be; removes it if not."""
    is_right = sha256(path) == digest
    if not is_right:
        path.unlink()
    return is_right
