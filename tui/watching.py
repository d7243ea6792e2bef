"""Clusters of failures that somebody watches: when it happens again, it is said on whatever screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tui.safe import one_line

if TYPE_CHECKING:
    from store.failures import Grouping
    from store.reader import Reader
    from tui.memory import Memory
    from tui.service.records import Records

WATCHED = "watched"  # in `tui.memory`: [grouping, cluster, the newest run of it that is known], one each


class Watches:
    """What is watched, remembered from one start to the next."""

    def __init__(self, records: Records, memory: Memory) -> None:
        self._records, self._memory = records, memory
        self._newest = -1  # event in the store at the last look

    def has(self, by: Grouping, key: str) -> bool:
        """Whether this cluster is watched."""
        return any(one[:2] == (by, key) for one in self._all)

    def toggle(self, by: Grouping, key: str, newest: str) -> bool:
        """Watch a cluster whose newest run is `newest`, or no longer; whether it is watched now."""
        others = [one for one in self._all if one[:2] != (by, key)]
        watched = len(others) == len(self._all)
        self._memory.put(WATCHED, [*others, *([[by, key, newest]] if watched else [])] or None)
        return watched

    async def look(self, tell: Callable[[str], None]) -> None:
        """Tell of each watched cluster that has a newer run. Raises StoreError."""
        watched = self._all
        if not watched:
            return
        newest = await self._records.read(lambda reader: reader.newest_event())
        if newest == self._newest:
            return
        self._newest = newest
        for by, key, known in watched:
            found = await self._records.read(lambda reader, by=by, key=key: _newest(reader, by, key))
            if found is None or found[0] == known:
                continue
            run_id, problem = found
            tell(f"It happened again: {one_line(key, 120)}, on {one_line(problem, 60)} ({run_id})")
            self._note(by, key, run_id)

    def _note(self, by: str, key: str, run_id: str) -> None:
        now = [[b, k, run_id if (b, k) == (by, key) else known] for b, k, known in self._all]
        self._memory.put(WATCHED, now or None)

    @property
    def _all(self) -> list[tuple[Grouping, str, str]]:
        found = self._memory.get(WATCHED)
        rows = found if isinstance(found, list) else []
        return [cast("tuple[Grouping, str, str]", tuple(one)) for one in rows if isinstance(one, list)]


def _newest(reader: Reader, by: Grouping, key: str) -> tuple[str, str] | None:
    rows = reader.runs(cluster=(by, key), limit=1).rows
    return (rows[0].id, rows[0].problem_id) if rows else None
