"""Files in and out of a request, the host's side: names and sizes are checked here, whoever sent them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.guest.files import MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES

MAX_INPUT_BYTES = 4 << 20  # one frame carries them all
_MAX_NAME = 200
_SHOWN = 120


def standard_input(text: str | None) -> str | None:
    """What a program is to read on its standard input, for the frame that carries it.

    Raises:
        ValueError: it is larger than `MAX_INPUT_BYTES`.
    """
    if text is None:
        return None
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_INPUT_BYTES:
        raise ValueError(f"standard input of {len(data):,} bytes: at most {MAX_INPUT_BYTES:,} can be sent")
    return base64.b64encode(data).decode()


class FileNameError(ValueError):
    """A name that could mean something else than a plain file in the request's own directory."""


@dataclass(frozen=True)
class File:
    """A file a program left, as bytes. Its name is relative, plain text, and leads nowhere else."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


@dataclass(frozen=True)
class RefusedFile:
    """A file that was asked for and not handed out. `name` is for display only."""

    name: str
    reason: str


def checked_name(name: str) -> str:
    """`name`, if it is a plain relative path.

    Raises:
        FileNameError: it is absolute, climbs, is too long or has characters that are not shown.
    """
    parts = name.split("/")
    if not name or len(name) > _MAX_NAME:
        problem = "is empty or too long"
    elif name.startswith("/") or "" in parts:
        problem = "is not relative"
    elif "." in parts or ".." in parts:
        problem = "leads elsewhere"
    elif not name.isprintable() or "\\" in name:
        problem = "has characters that file names should not have"
    elif any(part.startswith(("-", "~", " ")) or part.endswith(" ") for part in parts):
        problem = "has a part that starts or ends oddly"
    else:
        return name
    raise FileNameError(f"the file name {name[:_SHOWN]!r} {problem}")


def for_guest(files: Mapping[str, bytes]) -> dict[str, str]:
    """Files to put into a request's directory, as its frame carries them.

    Raises:
        FileNameError: a name is not a plain relative path.
        ValueError: they are too large together.
    """
    if sum(map(len, files.values())) > MAX_INPUT_BYTES:
        raise ValueError(f"the files are larger than {MAX_INPUT_BYTES >> 20} MiB together")
    return {checked_name(name): base64.b64encode(data).decode("ascii") for name, data in files.items()}


def patterns(wanted: Sequence[str]) -> list[str]:
    """Patterns of files to collect, matched against whole relative paths.

    Raises:
        FileNameError: a pattern could only match outside of the request's directory.
    """
    return [checked_name(pattern) for pattern in wanted]


def from_guest(
    arrived: Iterable[tuple[str, bytes, str | None]],
) -> tuple[tuple[File, ...], tuple[RefusedFile, ...]]:
    """The files that came out, and those that were refused.

    Each arrived as (name, content, why the guest refused it or None). The guest's own checks count for
    nothing here.
    """
    files: dict[str, File] = {}
    refused: list[RefusedFile] = []
    total = 0
    for name, data, why in arrived:
        if why is not None:
            refused.append(RefusedFile(_for_display(name), why[:_SHOWN]))
            continue
        try:
            file = File(checked_name(name), data)
        except FileNameError as error:
            refused.append(RefusedFile(_for_display(name), str(error)[: 2 * _SHOWN]))
            continue
        total += file.size
        if file.size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES or len(files) >= MAX_FILES:
            refused.append(RefusedFile(name, "it is over the caps"))
        elif name in files:
            refused.append(RefusedFile(name, "it came twice"))
        else:
            files[name] = file
    return tuple(files.values()), tuple(refused)


def _for_display(name: str) -> str:
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else "�" for c in text)[:_SHOWN]
