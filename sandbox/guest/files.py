"""Files into and out of a request's directory.

In: written by the request's own process into its empty directory, before any of its code runs. Out:
read by the runner once the processes were killed, under their uid, one path component at a time and
never through a link, so that no name can lead out of the directory. What is asked for and cannot be
given is named with the reason.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import stat
from collections.abc import Iterator

MAX_FILES = 32
MAX_FILE_BYTES = 4 << 20
MAX_TOTAL_BYTES = 16 << 20
_MAX_SEEN = 4000  # entries looked at
_MAX_DEPTH = 6
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the runner would wait for the other end of a pipe that took a file's place.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class RefusedError(Exception):
    """A file that is not handed out; the text says why."""


def place(files: dict[str, str]) -> None:
    """Write `files` (base64 by relative name, checked by the host) into the current directory."""
    for name, content in files.items():
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(name, "xb") as file:
            file.write(base64.b64decode(content, validate=True))


def collect(home: str, patterns: list[str]) -> Iterator[tuple[str, bytes, str | None]]:
    """Each regular file under `home` that matches: its name, its content, and why it is refused if it is."""
    left, count = MAX_TOTAL_BYTES, 0
    try:
        for name, folder in _matching(home, patterns):
            count += 1
            if count > MAX_FILES:
                yield name, b"", f"more than {MAX_FILES} files match"
                return
            try:
                data = _read(name.rpartition("/")[2], folder, left)
            except RefusedError as why:
                yield name, b"", str(why)
            else:
                left -= len(data)
                yield name, data, None
    except OSError as error:  # the directory itself is gone or not a directory any more
        yield ".", b"", f"the directory cannot be read: {error.strerror}"


def _matching(home: str, patterns: list[str]) -> Iterator[tuple[str, int]]:
    """(relative name, descriptor of its directory) of what matches, in order; the descriptor is lent."""
    seen = 0
    waiting = [("", os.open(home, _DIRECTORY))]
    try:
        while waiting:
            prefix, folder = waiting.pop(0)
            try:
                for entry in sorted(os.listdir(folder)):
                    seen += 1
                    if seen > _MAX_SEEN:
                        return
                    name = prefix + entry
                    if _is_directory(entry, folder):
                        if name.count("/") < _MAX_DEPTH and (inner := _enter(entry, folder)) is not None:
                            waiting.append((name + "/", inner))
                    elif any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                        yield name, folder
            finally:
                os.close(folder)
    finally:
        for _, folder in waiting:
            os.close(folder)


def _is_directory(entry: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _enter(entry: str, folder: int) -> int | None:
    try:
        return os.open(entry, _DIRECTORY, dir_fd=folder)
    except OSError:  # closed to its own owner
        return None


def _read(entry: str, folder: int, left: int) -> bytes:
    """The content of a regular file. Raises RefusedError."""
    try:
        entry.encode("utf-8")
        _check(os.stat(entry, dir_fd=folder, follow_symlinks=False), left)
        fd = os.open(entry, _FILE, dir_fd=folder)
    except UnicodeEncodeError:
        raise RefusedError("its name is not text") from None
    except OSError as error:
        raise RefusedError(f"it cannot be read: {error.strerror}") from None
    try:
        size = _check(os.fstat(fd), left)  # what was opened, whatever the name meant a moment ago
        parts: list[bytes] = []
        while size > 0 and (part := os.read(fd, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def _check(found: os.stat_result, left: int) -> int:
    """The size by which the file counts, holes included. Raises RefusedError."""
    if not stat.S_ISREG(found.st_mode):
        raise RefusedError(f"it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'not a regular file')}")
    if found.st_nlink != 1:
        raise RefusedError("it is a hard link")
    if found.st_uid != os.geteuid():
        raise RefusedError("it belongs to another user")
    if found.st_size > MAX_FILE_BYTES:
        raise RefusedError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    if found.st_size > left:
        raise RefusedError(f"all files together are larger than {MAX_TOTAL_BYTES >> 20} MiB")
    return found.st_size
