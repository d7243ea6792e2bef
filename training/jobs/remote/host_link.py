"""What jobs need of the connection to a host, whatever it is made of."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from training.jobs.directory import JobError, Report, silent
from training.jobs.remote.errors import LinkError

if TYPE_CHECKING:
    from engine.host_config import Host

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # between tries to reach a host again
_PIECE = 4 << 20
T = TypeVar("T")


class Source(Protocol):
    """A file there, open for reading. `size` is in bytes, as it was when the file was opened."""

    size: int

    async def read(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset` on; b"" at the end. Raises HostError."""
        ...


class HostLink(ABC):
    """One host, by its name in the config file. It is connected when that is needed, and again after a loss.

    All that asks the host raises HostError where it cannot be used, and LinkError where it does not answer.
    """

    def __init__(self, name: str, host: Host) -> None:
        self.name, self.host = name, host

    @property
    @abstractmethod
    def workdir(self) -> str:
        """The folder there, absolute. Only once it is connected."""

    @abstractmethod
    async def connect(self) -> Any:
        """Connect, unless it is."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection; the next call connects again."""

    @abstractmethod
    async def run(self, *words: str, given: bytes = b"", report: Report = silent) -> Any:
        """Carry out an errand there (`host.__main__`); its answer.

        Raises JobError where it was refused, with the sentence from there. After a LinkError it is not known
        whether it was carried out.
        """

    @abstractmethod
    async def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""

    @abstractmethod
    async def listed(self, folder: str) -> list[str]:
        """The names in a folder; [] where there is none."""

    @abstractmethod
    async def write(self, path: str, data: bytes) -> None:
        """Replace a file there, whole or not at all, in a folder that is made if need be."""

    @abstractmethod
    async def append(self, path: str, source: Path, offset: int) -> None:
        """Append what a file here has from `offset` on to one there."""

    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete a file, if it is there."""

    @abstractmethod
    def reading(self, path: str) -> AbstractAsyncContextManager[Source | None]:
        """A file there, open for reading; None where there is none."""

    async def bring(self, there: str, here: Path) -> None:
        """Bring what the file here lacks at its end; nothing where there is none there.

        What is longer here than there is another file's, and makes room. Raises JobError where it cannot be
        written here.
        """
        async with self.reading(there) as source:
            if source is None:
                return
            try:
                here.parent.mkdir(parents=True, exist_ok=True)
                with here.open("ab") as target:
                    if target.tell() > source.size:
                        target.truncate(0)
                    # Not beyond the size: pieces may be read at once, and the file may grow in between.
                    while (place := target.tell()) < source.size:
                        piece = await source.read(min(_PIECE, source.size - place), place)
                        if not piece:
                            return
                        target.write(piece)
            except OSError as error:
                raise JobError(f"{here} cannot be written: {error.strerror}") from None

    async def persistently(self, do: Callable[[], Awaitable[T]], report: Report) -> T:
        """Do what can be continued, again and again while the link is lost.

        Raises what `do` raises in the end.
        """
        for wait in BACK_OFF_S:
            try:
                return await do()
            except LinkError as error:
                report(f"{error}; trying again in {wait:.0f} s")
            await asyncio.sleep(wait)
        return await do()
