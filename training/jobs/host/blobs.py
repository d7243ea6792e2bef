"""Files by content: what was sent to a host once is not sent again, and a broken transfer goes on.

A folder of blobs has files named by their SHA-256, and `SHA-256.part` for those that are under way.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

Manifest = Mapping[str, str]  # SHA-256 by path, relative and with slashes
PART = ".part"


def sha256(path: Path) -> str:
    """The SHA-256 of a file as hex digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def manifest(folder: Path) -> dict[str, str]:
    """The files of a folder, except links, special files and names that begin with a dot. Raises OSError."""
    hashes = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.is_file() and not path.is_symlink():
                hashes[path.relative_to(folder).as_posix()] = sha256(path)
    return hashes


def missing(blobs: Path, wanted: list[str]) -> dict[str, int]:
    """Those of the `wanted` blobs that are not there, with how many bytes of each have arrived."""
    blobs.mkdir(parents=True, exist_ok=True)
    absent = [name for name in wanted if not (blobs / name).is_file()]
    parts = {name: blobs / f"{name}{PART}" for name in absent}
    return {name: part.stat().st_size if part.is_file() else 0 for name, part in parts.items()}


def unpack(blobs: Path, archive: bytes) -> None:
    """Store blobs that came together, as the bytes of a tar file."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and len(member.name) == 64 and member.name.isalnum():
                (blobs / f"{member.name}{PART}").write_bytes(file.read())


def assemble(blobs: Path, folder: Path, wanted: Manifest) -> list[str]:
    """Make `folder` from blobs, whole or not at all.

    Returns the names of blobs that are missing, or were damaged and are deleted: if there are any, there is
    no folder.
    """
    lacking = []
    for name in sorted(set(wanted.values())):
        blob, part = blobs / name, blobs / f"{name}{PART}"
        if not blob.is_file():
            if part.is_file() and sha256(part) == name:
                part.chmod(0o444)  # folders are made of it
                part.replace(blob)
            else:
                part.unlink(missing_ok=True)
                lacking.append(name)
    if lacking or folder.is_dir():
        return lacking
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        draft.mkdir(parents=True)
        for path, name in wanted.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(blobs / name, target)
            except OSError:  # a file system without links
                shutil.copyfile(blobs / name, target)
        with contextlib.suppress(OSError):  # somebody else was faster: it is the same folder
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return []
