"""What the runner waits for: the channel, the zygote, and each request's processes and output."""

from __future__ import annotations

import select

from .process import Process
from .request import Request

Source = tuple[Request, Process | None]  # a process's line, or output where there is no process


class Watched:
    """Descriptors, and for those of requests whose they are."""

    def __init__(self, *always: int) -> None:
        self._poll = select.poll()
        for fd in always:
            self._poll.register(fd, select.POLLIN)
        self._sources: dict[int, Source] = {}
        self._masks: dict[int, int] = {}

    def add(self, request: Request) -> None:
        """Watch all that `request` has open."""
        for process in request.processes:
            self.add_process(request, process)
        for fd in request.output.open:
            self._add(fd, request, None)

    def add_process(self, request: Request, process: Process) -> None:
        """Watch the line of `process`."""
        self._add(process.sock.fileno(), request, process)

    def _add(self, fd: int, request: Request, process: Process | None) -> None:
        self._sources[fd] = request, process
        self._masks[fd] = select.POLLIN
        self._poll.register(fd, select.POLLIN)

    def drop(self, fd: int) -> None:
        """Watch it no more, if it is watched."""
        if self._sources.pop(fd, None) is not None:
            del self._masks[fd]
            self._poll.unregister(fd)

    def drop_all(self, request: Request) -> None:
        """Watch nothing of `request` any more."""
        for fd in [fd for fd, (owner, _) in self._sources.items() if owner is request]:
            self.drop(fd)

    def source(self, fd: int) -> Source | None:
        """Whose `fd` is; None where it is watched no more, or no request's."""
        return self._sources.get(fd)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """What is ready, as `select.poll` says it.

        A line is asked for room where data waits for it, and not read while too many calls are open.
        """
        for fd, (request, process) in self._sources.items():
            if process is None:
                continue
            mask = (select.POLLIN if request.readable else 0) | (select.POLLOUT if process.wants_write else 0)
            if mask != self._masks[fd]:
                self._masks[fd] = mask
                self._poll.modify(fd, mask)
        return self._poll.poll(seconds * 1000)
