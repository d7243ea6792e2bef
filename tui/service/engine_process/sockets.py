"""Where the sockets of engines are: one folder per store, one socket per process, for this user only."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import warnings
from contextlib import suppress
from pathlib import Path

from platformdirs import user_runtime_path

from sandbox.errors import UnavailableError, UsageError


class EngineError(UnavailableError):
    """An engine cannot be started or reached; the message says why and what to do."""


class LiveRunError(UsageError):
    """No run or experiment in progress matches, or several do; or a value is not JSON."""


def _folder(store: Path) -> Path:
    # A hash, because a socket's path may have no more than about 100 bytes.
    name = hashlib.blake2b(str(store.absolute()).encode(), digest_size=8).hexdigest()
    with warnings.catch_warnings():
        # Without a runtime folder it is one in /tmp, which will do, since its owner is checked.
        warnings.simplefilter("ignore")
        return user_runtime_path("flowreasoner") / name


def folder(store: Path) -> Path:
    """The folder of the sockets of this store's engines, made with mode 0700.

    Raises EngineError where it belongs to another user or cannot be made.
    """
    path = _folder(store)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise EngineError(
                f"{path} is not this user's folder; remove it, or set XDG_RUNTIME_DIR to one that is"
            )
        path.chmod(0o700)
    except OSError as error:
        raise EngineError(
            f"the folder for sockets {path} cannot be made: {error.strerror or error}; set XDG_RUNTIME_DIR"
        ) from None
    return path


def listen(store: Path) -> tuple[socket.socket, Path]:
    """A listening, non-blocking socket of this process with mode 0600, and its path.

    Raises EngineError where it cannot be made.
    """
    path = folder(store) / f"{os.getpid()}.sock"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # never connectable by others, not even for a moment
    try:
        path.unlink(missing_ok=True)  # of an earlier process with this number
        server.bind(str(path))
    except OSError as error:
        server.close()
        raise EngineError(
            f"the socket {path} cannot be made: {error.strerror or error}; "
            "set XDG_RUNTIME_DIR to a folder with a short path"
        ) from None
    finally:
        os.umask(before)
    server.listen()
    server.setblocking(False)
    return server, path


def leave(path: Path) -> None:
    """Remove a socket of this process and its log, and their folder where nothing else is in it."""
    path.unlink(missing_ok=True)
    path.with_suffix(".log").unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def engines(store: Path) -> list[Path]:
    """The sockets on which a process answers, oldest first; those of dead processes are removed.

    Raises EngineError as `folder` does.
    """
    alive: list[tuple[float, Path]] = []
    if not _folder(store).exists():
        return []
    for path in folder(store).glob("*.sock"):
        with suppress(OSError):
            created_at = path.stat().st_mtime
            if _answers(path):
                alive.append((created_at, path))
            else:
                path.unlink()
    return [path for _, path in sorted(alive)]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is there and busy
            return True
    return True
