"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

from sandbox.errors import UsageError


def expanded(path: str | Path) -> Path:
    """The path with `~` or `~user` as the folder it stands for.

    Raises UsageError where nobody knows that user's folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        start = Path(path).parts[0]
        raise UsageError(f"{path}: there is no home folder {start}; write the path in full") from None
