"""Reading folders that somebody else filled: links are not followed, and only plain files are opened."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_ENTRIES = 20_000


class FolderError(OSError):
    """Something cannot be read; the message says what, and why."""


class Folder:
    """An open directory. Its files and folders are opened relative to it, so that everything that is read
    lies in it, even where somebody replaces folders by links meanwhile. Use as a context manager.
    """

    def __init__(self, path: Path) -> None:
        """Raises FolderError where `path` cannot be opened. It may be a link itself, since the user
        named it.
        """
        self.path = path
        self._fd = _open(str(path), os.O_DIRECTORY, None, path)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.name

    def folder(self, name: str) -> Folder:
        """A folder in this one. Raises FolderError where it cannot be opened, or is a link."""
        inner = Folder.__new__(Folder)
        inner.path = self.path / name
        inner._fd = _open(name, os.O_DIRECTORY | os.O_NOFOLLOW, self._fd, inner.path)
        return inner

    def names(self) -> tuple[list[str], list[str]]:
        """(folders, plain files) in it by name, sorted; links and devices are in neither. Raises FolderError
        where it has more than `MAX_ENTRIES` entries.
        """
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(self._fd) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_ENTRIES:
                    raise FolderError(f"{self.path}: more than {MAX_ENTRIES:,} entries")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
        return sorted(folders), sorted(files)

    def links(self) -> list[str]:
        """Names of the links in it, sorted."""
        with os.scandir(self._fd) as entries:
            return sorted(e.name for e in entries if e.is_symlink())[:MAX_ENTRIES]

    def read(self, name: str, limit: int) -> bytes:
        """The content of a plain file of at most `limit` bytes. Raises FolderError where it is anything else,
        or cannot be read.
        """
        path = self.path / name
        # Without O_NONBLOCK, opening a pipe nobody writes to would never return.
        fd = _open(name, os.O_NOFOLLOW | os.O_NONBLOCK, self._fd, path)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FolderError(f"{path}: not a plain file")
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise FolderError(f"{path}: {error.strerror or error}") from None
        if len(data) > limit:
            raise FolderError(f"{path}: larger than {limit // 1024:,} KiB")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def _open(name: str, flags: int, within: int | None, path: Path) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=within)
    except OSError as error:
        # Which of the two a link gives depends on whether a folder was asked for.
        linked = error.errno in (errno.ELOOP, errno.ENOTDIR) and path.is_symlink()
        why = "a link, which is not followed" if linked else error.strerror or error
        raise FolderError(f"{path}: {why}") from None
    except ValueError:
        raise FolderError(f"{str(path)!r}: not the name of a file") from None
