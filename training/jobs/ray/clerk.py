"""The class of the actor that works for us on a cluster's head node.

It reaches the cluster by value, so that unpickling it imports none of our modules, and it needs nothing but
the standard library there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


class Clerk:
    """Runs commands and handles files for a link. Paths are absolute."""

    def about(self) -> tuple[str, str]:
        """The home folder and the Python of Ray's workers."""
        return str(Path.home()), sys.executable

    def run(self, command: list[str], given: bytes) -> tuple[int, bytes, bytes]:
        """Exit status, output and errors of a command that gets `given` as its input. Raises OSError."""
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        return Path(path).is_dir()

    def listed(self, path: str) -> list[str]:
        """The names in a folder; [] where there is none."""
        return [entry.name for entry in Path(path).iterdir()] if Path(path).is_dir() else []

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""
        return Path(path).stat().st_size if Path(path).is_file() else None

    def read(self, path: str, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset` on. Raises OSError."""
        with Path(path).open("rb") as file:
            file.seek(offset)
            return file.read(count)

    def write(self, path: str, data: bytes) -> None:
        """Replace a file, whole or not at all. Raises OSError."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        draft = Path(f"{path}.tmp")
        draft.write_bytes(data)
        draft.replace(path)

    def append(self, path: str, data: bytes) -> None:
        """Append to a file. Raises OSError."""
        with Path(path).open("ab") as file:
            file.write(data)

    def delete(self, path: str) -> None:
        """Delete a file, if it is there. Raises OSError."""
        Path(path).unlink(missing_ok=True)
