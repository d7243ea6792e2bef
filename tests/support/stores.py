"""Stores without what making one costs: each is a copy of one that the process makes once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from store.db import open_writer


@cache
def made(make: Callable[[Path], None]) -> bytes:
    """The file of the store that `make` makes at a path."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "store.db")
        make(path)
        assert [file.name for file in path.parent.iterdir()] == [path.name], "all of it is in the one file"
        return path.read_bytes()


def begin_store(path: Path) -> None:
    """Have a store at `path`: a new one, unless one is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made(_new))


def _new(path: Path) -> None:
    open_writer(path).close()
