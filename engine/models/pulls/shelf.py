"""The models that were pulled: one folder each, beside the store.

A model's folder is `models/NAME`; it is renamed into place when everything in it is there and checked, so a
folder without its manifest is no model. What is being pulled stands in `models/.NAME.part`, under the lock
`models/.NAME.lock`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from engine.models.pulls.manifests import Pulled

MANIFEST = "pulled.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def pulled_names(models: Path) -> list[str]:
    """The names of the models in the folder of all models, in alphabetical order."""
    try:
        return sorted(p.parent.name for p in models.glob(f"*/{MANIFEST}") if NAME.fullmatch(p.parent.name))
    except OSError:
        return []


def folder_of(name: str, models: Path) -> Path | None:
    """A pulled model's folder; None where there is no such model."""
    folder = models / name
    return folder if NAME.fullmatch(name) and (folder / MANIFEST).is_file() else None


def remove(name: str, models: Path) -> int:
    """Remove a pulled model, and what an interrupted pull of it left; returns the bytes that were freed.

    Raises:
        UsageError: there is nothing of this name.
        UnavailableError: it is being pulled right now, or cannot be removed.
    """
    folders = [p for p in (models / name, _part(name, models)) if p.is_dir()] if NAME.fullmatch(name) else []
    if not folders:
        listed = ", ".join(pulled_names(models)) or "none"
        raise UsageError(f"there is no pulled model {name!r}; there are: {listed}")
    with locked(name, models):
        freed = sum(p.lstat().st_size for folder in folders for p in folder.rglob("*") if p.is_file())
        try:
            for folder in folders:
                (folder / MANIFEST).unlink(missing_ok=True)  # from here on it is no model
                shutil.rmtree(folder)
        except OSError as error:
            raise UnavailableError(f"{error.filename}: cannot be removed ({error.strerror})") from None
    return freed


@contextlib.contextmanager
def draft(name: str, models: Path) -> Generator[Path]:
    """The folder to pull a model into; what an interrupted pull left is still in it.

    Raises UnavailableError where another process pulls this model, or the folder cannot be made.
    """
    with locked(name, models):
        part = _part(name, models)
        part.mkdir(exist_ok=True)
        yield part


def tidy(part: Path, found: Pulled) -> None:
    """Remove from `part` what is no file of the model, as a downloader's notes. Raises OSError."""
    for path in part.iterdir():
        if path.name not in found.files:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def put_in_place(part: Path, name: str, models: Path, found: Pulled) -> Path:
    """Write the manifest of what was pulled and give it its name; returns its folder.

    A model of this name is replaced. Raises OSError.
    """
    (part / MANIFEST).write_text(found.model_dump_json(indent=1), "utf-8")
    place = models / name
    if place.exists():
        (place / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(place)
    return part.replace(place)


@contextlib.contextmanager
def locked(name: str, models: Path) -> Generator[None]:
    """Be the only process that changes this model.

    Raises UnavailableError where another one is, or the folder of all models cannot be made.
    """
    try:
        models.mkdir(parents=True, exist_ok=True)
        handle = os.open(models / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"{models}: cannot be written ({error.strerror})") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(f"{name} is being pulled by another process: wait for it") from None
        yield
    finally:
        os.close(handle)


def _part(name: str, models: Path) -> Path:
    return models / f".{name}.part"
