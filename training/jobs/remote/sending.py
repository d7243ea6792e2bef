"""Code, data and models on their way to a host: by content, so that nothing is sent twice."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from training.jobs.directory import Report
from training.jobs.host.blobs import PART, sha256
from training.jobs.remote.errors import HostError
from training.jobs.remote.host_link import HostLink

_SMALL = 1 << 20  # smaller files go together
_TRIES = 2


async def send(link: HostLink, kind: str, files: Mapping[str, Path], report: Report) -> str:
    """Copy these files into a folder on the host, below `kind` and named by its content; returns its path.

    Raises HostError where a file cannot be read here, or does not arrive.
    """
    hashes = await asyncio.to_thread(_hashes, files)
    listing = json.dumps(sorted(hashes.items())).encode()
    await link.connect()
    folder = f"{link.workdir}/{kind}/{hashlib.sha256(listing).hexdigest()[:16]}"
    if await link.is_folder(folder):  # made whole, under a name that is its content
        return folder
    blobs = f"{link.workdir}/blobs"
    by_hash = {digest: files[name] for name, digest in hashes.items()}
    for _ in range(_TRIES):
        absent = await link.run("missing", blobs, given=json.dumps(list(by_hash)).encode())
        if absent:
            await _send_blobs(
                link, blobs, {one: (by_hash[one], there) for one, there in absent.items()}, report
            )
        lacking = await link.run("assemble", blobs, folder, given=json.dumps(hashes).encode())
        if not lacking:
            return folder
    raise HostError(f"files do not arrive whole on {link.name}: is its disk full?")


def files_of(place: Path) -> dict[str, Path]:
    """The files of a folder, or the one file, by their place in the folder that is made there."""
    if place.is_file():
        return {place.name: place}
    return {
        path.relative_to(place).as_posix(): path
        for path in sorted(place.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """Raises HostError."""
    try:
        return {name: sha256(path) for name, path in files.items()}
    except OSError as error:
        raise HostError(f"{error.filename} cannot be read, and is to be sent: {error.strerror}") from None


async def _send_blobs(
    link: HostLink, blobs: str, wanted: dict[str, tuple[Path, int]], report: Report
) -> None:
    """Send files, each from where it was broken off."""
    small = {digest: path for digest, (path, _) in wanted.items() if path.stat().st_size < _SMALL}
    if small:
        report(f"sending {len(small)} file{'s' * (len(small) > 1)} to {link.name}")
        await link.run("unpack", blobs, given=await asyncio.to_thread(_tar, small))
    for digest, (path, there) in wanted.items():
        if digest in small:
            continue
        size = path.stat().st_size
        report(f"sending {path.name} to {link.name}: {size >> 20} MiB, of which {there >> 20} are there")
        await link.append(f"{blobs}/{digest}{PART}", path, min(there, size))


def _tar(files: Mapping[str, Path]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz", compresslevel=1) as tar:
        for digest, path in files.items():
            data = path.read_bytes()
            member = tarfile.TarInfo(digest)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return whole.getvalue()
