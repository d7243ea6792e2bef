"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sandbox.errors import UsageError


class ExportError(UsageError):
    """Something cannot be exported or imported; the message says what, where, and what to do."""


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A file that takes the name `path` once the block has ended well, readable by its owner only.

    What is written lies beside it under a hidden name until then; a process that is killed leaves that.

    Raises:
        ExportError: `path` exists and `force` is not given, is a folder, or cannot be written.
    """
    check_free(path, force=force)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _publish(part, path, force=force)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder that takes the name `path` once the block has ended well.

    With `force` it replaces a dataset that an export wrote there, or a file; where it cannot, what was there
    stays. Raises ExportError as `new_file` does.
    """
    check_free(path, force=force)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        old = part.with_name(f"{part.name}.old")
        try:
            yield part
            if force and os.path.lexists(path):
                path.rename(old)
            part.rename(path)
        finally:
            if part.exists() and os.path.lexists(old):  # the new one did not take the name
                old.rename(path)
            for leftover in (part, old):
                _remove(leftover)


def check_free(path: Path, *, force: bool) -> None:
    """Raises ExportError where `path` is taken.

    A folder that no export wrote is never replaced; a file, or a dataset, only with `force`.
    """
    if path.is_dir() and not _is_dataset(path):
        raise ExportError(f"{path} is a folder; name another place with --out")
    if os.path.lexists(path) and not force:
        raise ExportError(f"{path} exists already; name another place with --out, or replace it by --force")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's errors inside the block into `ExportError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExportError(f"{path}: the disk is full; free some space, or name another place") from None
        raise ExportError(f"{path}: {error.strerror or error}; name a place you may write to") from None


def _publish(part: Path, path: Path, *, force: bool) -> None:
    if force:
        part.replace(path)
        return
    try:
        os.link(part, path)  # unlike renaming, this never replaces
    except FileExistsError:  # it came while we wrote
        check_free(path, force=False)
    except OSError:  # a filesystem without hard links: which error it gives differs
        check_free(path, force=False)
        part.rename(path)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _is_dataset(path: Path) -> bool:
    """Whether the folder is one that an export wrote: only such a one is ever replaced."""
    return (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
