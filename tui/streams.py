"""Standard output, prepared for any encoding and for a disk that is full."""

from __future__ import annotations

import io
import os
import sys

from sandbox.errors import UnavailableError


class OutputError(UnavailableError):
    """Standard output cannot be written; the message says why."""


class _Output(io.FileIO):
    """The descriptor of standard output; what it cannot take is an OutputError, not just any OSError."""

    def write(self, data: object, /) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type,return-value]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"standard output cannot be written ({error.strerror})") from None


def prepare() -> None:
    """Make every write to standard output succeed, or raise OutputError or BrokenPipeError.

    A character that its encoding lacks is written as an escape. Raises OutputError where there is no standard
    output.
    """
    if sys.stderr is None:
        sys.stderr = _nowhere()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  for as long as we run
    if sys.stdout is None:
        discard()
        raise OutputError("standard output is closed; give it a file or a terminal")
    old = sys.stdout
    if isinstance(old, io.TextIOWrapper):
        raw = _Output(old.fileno(), "w", closefd=False)
        buffer = io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(
            buffer, old.encoding, "backslashreplace", line_buffering=old.line_buffering
        )


def discard() -> None:
    """Drop what standard output still holds: it cannot be written, and Python would try again on exit."""
    sys.stdout = _nowhere()


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  for as long as we run
