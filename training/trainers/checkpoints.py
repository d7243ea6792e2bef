"""Writing a checkpoint so that it is there whole or not at all, and keeping the right ones."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.models.checkpoints import MANIFEST, checkpoints, content_hash, file_hash, weight_files
from sandbox.errors import UnavailableError

TRAINER = "trainer"  # the subfolder with what resuming needs and a model does not
_BEFORE = ".before"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder_of(run_folder: Path, step: int) -> Path:
    """The folder of the checkpoint written after `step` optimizer steps."""
    return run_folder / "checkpoints" / f"step-{step:06d}"


def fresh_of(final: Path) -> Path:
    """Where a folder is written before it has its name."""
    return final.with_name(f".{final.name}.tmp")


@contextlib.contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """A fresh folder to write to, which becomes `final` when the block ends without an error.

    A `final` of before, of the same step of an earlier attempt, is moved aside and not removed until the new
    one has its name. Where the process is killed in between, `clean` moves it back.

    Raises:
        UnavailableError: the disk is full; nothing of the folder stays and what was there before does.
    """
    fresh, before = fresh_of(final), _before_of(final)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        yield fresh
        _sync(fresh)
        if final.exists():
            _remove(before)
            final.rename(before)
        fresh.rename(final)
    except BaseException as error:
        _restore(before)
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, Exception) and _is_full(error, final.parent):
            raise UnavailableError(
                f"the disk is full: {final.name} could not be written and the checkpoints before it are "
                f"whole: free space in {final.parent} and resume"
            ) from None
        raise
    _remove(before)


def _before_of(final: Path) -> Path:
    """Where the folder that had the name waits until the fresh one has it."""
    return final.with_name(f".{final.name}{_BEFORE}")


def _restore(before: Path) -> None:
    """Give a folder that was moved aside its name back, unless a new one has it."""
    final = before.with_name(before.name.removeprefix(".").removesuffix(_BEFORE))
    if before.exists() and not final.exists():
        before.rename(final)


def _remove(folder: Path) -> None:
    """Remove a folder. Renamed first: under its own name it is there whole or not at all."""
    if folder.exists():
        gone = folder.with_name(f".{folder.name.removeprefix('.')}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def seal(folder: Path, values: Mapping[str, Any]) -> str:
    """Write `checkpoint.json` with the hashes of all files beside `values`; returns the content hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {str(path.relative_to(folder)): file_hash(path) for path in files}
    content = content_hash({path.name: hashes[path.name] for path in weight_files(folder)})
    manifest = {**values, "files": hashes, "content": content}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    return content


def manifest_of(folder: Path) -> dict[str, Any]:
    """The content of `checkpoint.json`. Raises OSError or ValueError where it is missing or not JSON."""
    return json.loads((folder / MANIFEST).read_text("utf-8"))


def damaged(folder: Path) -> str:
    """The first file of a checkpoint that is missing or is not what was written; "" where all are."""
    try:
        files = manifest_of(folder)["files"]
    except (OSError, ValueError, KeyError):
        return MANIFEST
    for name, value in files.items():
        path = folder / name
        if not path.is_file() or file_hash(path) != value:
            return name
    return ""


def prune(run_folder: Path, keep: int, merit: Callable[[dict[str, Any]], float | None]) -> None:
    """Remove all but the newest `keep` checkpoints and the one of highest `merit`."""
    found = [folder for _, folder in checkpoints(run_folder)]
    judged = [
        (value, place)
        for place, checkpoint in enumerate(found)
        if (value := merit(manifest_of(checkpoint))) is not None
    ]
    best = found[max(judged)[1]] if judged else None
    for folder in found[:-keep]:
        if folder != best:
            _remove(folder)


def clean(run_folder: Path) -> None:
    """Remove what a killed trainer left half-written, and name again what it was replacing."""
    for before in (run_folder / "checkpoints").glob(f".step-*{_BEFORE}"):
        _restore(before)
    for left in (run_folder / "checkpoints").glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Have the kernel write everything, so that a full disk is noticed here and not after the rename."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # safetensors and torch.save raise errors of their own, with the system's words in them or without.
    text = str(error)
    if any(os.strerror(code) in text or f"os error {code}" in text for code in _FULL):
        return True
    return shutil.disk_usage(folder).free < 1 << 20
