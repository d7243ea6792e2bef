"""Text files that a user names."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 16 << 20


def read_text(path: Path, what: str, error: type[ValueError], most: int = MAX_BYTES) -> str:
    """The text of a file that should hold `what` (a noun for the message), of at most `most` bytes.

    Raises `error` where the file cannot be read, is not UTF-8 or is larger.
    """
    try:
        fits = path.stat().st_size <= most
        text = path.read_text(encoding="utf-8-sig") if fits else ""
    except UnicodeDecodeError as fault:
        raise error(f"{path}: not UTF-8 at byte {fault.start}; save the file as UTF-8") from None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise error(f"{path}: {reason}; give a readable file for the {what}") from None
    if not fits:
        raise error(f"{path}: larger than {most >> 20} MiB, which no {what} is; give another file")
    return text
