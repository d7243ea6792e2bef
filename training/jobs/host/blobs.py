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
    """Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def manifest(folder: Path) -> dict[str, str]:
    """What is in a folder, without links, what is no plain file, and names that begin with a dot."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.is_file() and not path.is_symlink():
                found[path.relative_to(folder).as_posix()] = sha256(path)
    return found


def missing(blobs: Path, wanted: list[str]) -> dict[str, int]:
    """Those of the wanted that are not there, with how much of each is."""
    blobs.mkdir(parents=True, exist_ok=True)
    absent = [name for name in wanted if not (blobs / name).is_file()]
    parts = {name: blobs / f"{name}{PART}" for name in absent}
    return {name: part.stat().st_size if part.is_file() else 0 for name, part in parts.items()}


def unpack(blobs: Path, archive: bytes) -> None:
    """Take blobs that came together, as a tar file."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and len(member.name) == 64 and member.name.isalnum():
                (blobs / f"{member.name}{PART}").write_bytes(file.read())


def assemble(blobs: Path, folder: Path, wanted: Manifest) -> list[str]:
    """Make `folder` of blobs, whole or not at all. Returns the blobs that are missing, or were not what they
    should be and are gone: with any, there is no folder.
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
