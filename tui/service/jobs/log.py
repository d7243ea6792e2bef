"""What a job prints, followed by byte offset."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

FIRST_BYTES = 200_000  # how much of the end of a log the first reading takes
MOST_CHARS = 2_000_000  # how much of it is kept; the file has the rest


class LogTail:
    """The end of a log file that grows. One thread at a time may call `read`; `text` is what was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""

    def read(self) -> bool:
        """Read what is new; returns whether anything was.

        A file that became shorter is read from its end again.
        """
        try:
            size = self._path.stat().st_size
            if self._offset is None or size < self._offset:
                self._offset, self.text = max(size - FIRST_BYTES, 0), ""
                self._decoder.reset()
            if size == self._offset:
                return False
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read(max(size - self._offset, 0))
        except OSError:
            return False
        self._offset += len(raw)
        self.text = (self.text + self._decoder.decode(raw))[-MOST_CHARS:]
        return bool(raw)


def only_matching(text: str, pattern: str) -> str:
    """The lines of `text` in which the regular expression matches, in any case.

    Raises ValueError, with a sentence for the user, where `pattern` is not a regular expression.
    """
    if not pattern:
        return text
    try:
        expression = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern[:60]!r} is no regular expression ({error})") from None
    return "\n".join(line for line in text.split("\n") if expression.search(line))
