"""The store as the screens use it: every read runs in a thread, never on the event loop."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from store.run_filter import parse_filter
from tui.service.kept_sides import Compared, KeptSides

if TYPE_CHECKING:
    from engine.events import Event
    from store.compare.comparison import Comparison
    from store.compare.ways import Ways
    from store.experiment_reader import ExperimentRow
    from store.reader import Reader
    from store.rows import Cursor, RunPage, RunRow

CHUNK = 200
T = TypeVar("T")


class Records:
    """Past runs. Nothing is imported or opened before the first read.

    Every read raises StoreError where the store cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._sides = KeptSides(self.read)
        self._compared: Compared | None = None

    def _open(self) -> Reader:
        from store.reader import Reader

        with self._lock:
            if self._reader is None:
                self._reader = Reader(self.path)
            return self._reader

    @property
    def damaged(self) -> int:
        """How many rows of lists were left out so far, because they could not be read."""
        return self._reader.damaged if self._reader is not None else 0

    async def runs(
        self, *, failed: bool = False, search: str = "", limit: int, before: Cursor | None = None
    ) -> RunPage:
        """A page of at most `limit` runs that match what was typed (`store.run_filter`), newest first."""
        conditions = dataclasses.asdict(parse_filter(search))

        def read() -> RunPage:
            return self._open().runs(failed=failed, limit=limit, before=before, **conditions)

        return await asyncio.to_thread(read)

    async def read(self, function: Callable[[Reader], T]) -> T:
        """What `function` returns, called with the reader in a thread."""
        return await asyncio.to_thread(lambda: function(self._open()))

    async def run(self, run_id: str) -> RunRow:
        """The run of this id, unique beginning of one, or "last".

        Raises RunNotFoundError or AmbiguousRunError where no run, or several, are meant.
        """
        return await asyncio.to_thread(lambda: self._open().run(run_id))

    async def events(self, run_id: str, after_seq: int = -1) -> AsyncIterator[list[Event]]:
        """The run's events after number `after_seq` in order, at most `CHUNK` at a time."""
        events = await asyncio.to_thread(lambda: self._open().events(run_id, after_seq))
        while chunk := await asyncio.to_thread(lambda: list(islice(events, CHUNK))):
            yield chunk

    async def experiments(self) -> list[ExperimentRow]:
        """All experiments, newest first."""
        return await self.read(lambda reader: reader.experiments.all())

    async def comparison(self, names: Sequence[str], baseline: int) -> Comparison:
        """What `names` stand for, compared; `baseline` is the index of the side that comes first.

        Raises CompareError where they cannot be compared.
        """

        named = await self._sides.of(names)
        if self._compared is not None and self._compared.answers(named, baseline):
            return self._compared.comparison

        def read(reader: Reader) -> Comparison:
            from store.compare.comparison import compare_sides, with_baseline
            from store.compare.sides import lettered

            return compare_sides(reader, with_baseline(lettered(named), baseline))

        self._compared = None
        self._compared = Compared(named, baseline, await self.read(read))
        return self._compared.comparison

    async def read_ahead(self, names: Sequence[str]) -> None:
        """Read and compare what `names` stand for, which is likely to be asked for next."""
        from store.compare import FEWEST
        from store.compare.sides import CompareError
        from store.errors import StoreError

        try:
            if len(await self._sides.of(names)) >= FEWEST:
                await self.comparison(names, 0)
        except (CompareError, StoreError):
            return  # said by whoever asks for it

    async def ways(self, comparison: Comparison, *, most: int) -> Ways:
        """How the sides of a comparison worked (`store.compare.ways.read_ways`). Raises StoreError."""

        def read(reader: Reader) -> Ways:
            from store.compare.ways import read_ways

            return read_ways(reader, comparison, most=most)

        return await self.read(read)

    async def usual_waits(self) -> dict[tuple[str, str], float]:
        """How many seconds waits usually take at most, by (kind, model or operator)."""
        return await asyncio.to_thread(lambda: self._open().usual_waits())

    async def write_locked(self) -> bool:
        """Whether somebody is writing to the store now."""
        from store.stalls import write_locked

        return await asyncio.to_thread(write_locked, self.path)

    async def changed(self) -> bool:
        """Whether anything was written since the last call."""
        return await asyncio.to_thread(lambda: self._open().changed())

    async def aclose(self) -> None:
        """Release the store's file."""
        if self._reader is not None:
            await asyncio.to_thread(self._reader.close)
