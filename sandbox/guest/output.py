"""What a request prints: the head is kept, everything is counted, a flood is told."""

from __future__ import annotations

import contextlib
import os

_READ = 1 << 20


class Output:
    """The reading ends of one request's stdout and stderr."""

    def __init__(self, kept: int, killed: int) -> None:
        self._kept = kept
        self._killed = killed
        self.total = 0
        self.heads: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        out, err = os.pipe(), os.pipe()
        self.open: dict[int, bytearray] = {out[0]: self.heads[0], err[0]: self.heads[1]}
        self.writers: tuple[int, ...] = (out[1], err[1])
        for fd in self.open:
            os.set_blocking(fd, False)

    def close_writers(self) -> None:
        """Close our copies of the writing ends, once they were passed on."""
        for fd in self.writers:
            os.close(fd)
        self.writers = ()

    def read(self, fd: int) -> bool:
        """Take what is there. False at the end of the stream."""
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return True
        if not data:
            return False
        self.total += len(data)
        head = self.open[fd]
        if len(head) < self._kept:
            head += data[: self._kept - len(head)]
        return True

    @property
    def flooded(self) -> bool:
        """Whether more was printed than is allowed."""
        return self.total > self._killed

    def drain(self) -> None:
        """Take what is left after the processes ended; a process that escaped may hold the pipe open."""
        for fd in self.open:
            before = -1
            while before != self.total and not self.flooded:
                before = self.total
                if not self.read(fd):
                    break

    def close(self) -> None:
        """Close all ends of the pipes that are open here."""
        for fd in (*self.open, *self.writers):
            with contextlib.suppress(OSError):
                os.close(fd)
        self.open, self.writers = {}, ()

    def texts(self) -> tuple[str, str]:
        """What was kept of stdout and stderr, decoded; bad bytes become U+FFFD."""
        out, err = (bytes(head).decode("utf-8", "replace") for head in self.heads)
        return out, err
