"""Sides of comparisons, kept until the store changes: read before they are asked for, and not again for each
question about the same ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from operator import is_
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.sides import NamedParts
    from store.reader import Reader

T = TypeVar("T")


class _Read(Protocol):
    def __call__(self, function: Callable[[Reader], T], /) -> Awaitable[T]: ...


class _Kept(NamedTuple):
    """What a name stands for, as of a version of the store."""

    version: int | None
    named: list[NamedParts]


class Compared(NamedTuple):
    """A comparison, and what it is of."""

    named: list[NamedParts]
    baseline: int
    comparison: Comparison

    def answers(self, named: list[NamedParts], baseline: int) -> bool:
        """Whether it is the comparison of these very sides."""
        is_same = len(named) == len(self.named) and all(map(is_, named, self.named))
        return is_same and baseline == self.baseline


class KeptSides:
    """What the names that were asked for last stand for."""

    def __init__(self, read: _Read) -> None:
        """`read` calls a function with the store's reader in a thread."""
        self._read = read
        self._kept: dict[str, _Kept] = {}
        # Two threads that take rows from SQLite take longer than one after the other.
        self._turn = asyncio.Lock()

    async def of(self, names: Sequence[str]) -> list[NamedParts]:
        """The sides that `names` stand for, in order. Raises as `store.compare.sides.read_sides` does."""
        async with self._turn:
            return [named for name in names for named in await self._named(name, names)]

    async def _named(self, name: str, names: Sequence[str]) -> list[NamedParts]:
        known = self._kept.get(name)

        def read(reader: Reader) -> _Kept:
            from store.compare.sides import read_named

            version = reader.version()  # before reading: what is written meanwhile counts as a change
            return known if known and known.version == version else _Kept(version, read_named(reader, name))

        self._kept = {one: kept for one, kept in self._kept.items() if one in names}
        found = self._kept[name] = await self._read(read)
        return found.named
