"""New stores without what making one costs: each is a copy of one that the process makes once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from store.db import open_writer


def begin_store(path: Path) -> None:
    """Have a store at `path`: a new one, unless one is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_new_store())


@cache
def _new_store() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "store.db")
        open_writer(path).close()  # the last to close it: all is in the one file
        return path.read_bytes()
