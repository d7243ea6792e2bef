"""Text out of the workbench: to the clipboard, to a file, to the user's editor."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from pathlib import Path

from sandbox.errors import UsageError
from tui.safe import file_stem

# Base64 makes a text 4/3 as long, and terminals drop an OSC 52 sequence of more than 100,000 bytes.
CLIPBOARD_BYTES = 74_000


def fits_clipboard(text: str) -> bool:
    """Whether terminals take the text as one OSC 52 sequence."""
    return len(text) <= CLIPBOARD_BYTES and len(text.encode(errors="replace")) <= CLIPBOARD_BYTES


def export(folder: Path, name: str, text: str) -> Path:
    """Write `text` to a new file named after `name`, readable by its owner only; returns its path.

    Raises OSError where it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(name, "text")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        path = folder / f"{stem}-{stamp}{f'-{attempt}' if attempt else ''}.txt"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return path
    raise FileExistsError(f"{folder} already has a thousand exports from this second; try again")


def editor_command() -> list[str]:
    """The words of the user's editor command; empty where none is set and no usual one is installed.

    Raises UsageError where it is no command line.
    """
    for variable in ("VISUAL", "EDITOR"):
        text = os.environ.get(variable, "")
        try:
            command = shlex.split(text)
        except ValueError as error:  # a quote without its end
            fault = str(error).lower()
            raise UsageError(f"${variable} is no command line ({fault}): {text[:100]}; correct it") from None
        if command:
            return command
    from shutil import which

    return next(([program] for name in ("editor", "nano", "vi") if (program := which(name))), [])


def editor_file(text: str, suffix: str) -> Path:
    """A temporary file that holds `text`, for the editor. Raises OSError where it cannot be written."""
    handle, name = tempfile.mkstemp(prefix="flowreasoner-", suffix=suffix)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return Path(name)
