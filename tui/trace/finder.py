"""What a reader wants to see of a trace, and the hits of the words looked for, gone through one by one."""

from __future__ import annotations

import asyncio
import dataclasses

from tui import format as fmt
from tui.trace.filter import TraceFilter, kept
from tui.trace.matches import Hit, Query, hits
from tui.trace.nodes import Key
from tui.trace.state import RunState


class Finder:
    """The filter of one reader. `hits` are those that were found last, in the order of the rows."""

    def __init__(self) -> None:
        self.wanted = TraceFilter()
        self.hits: tuple[Hit, ...] = ()
        self._looked = -1  # the revision that was searched
        self.at = -1  # which of them is shown
        self._applied: tuple[int, TraceFilter, tuple[Hit, ...]] | None = None

    @property
    def words(self) -> str:
        """The filter, and how much it found."""
        if self.wanted.query is None:
            return f"only {self.wanted.words()}" if self.wanted else ""
        return f"{self.wanted.words()}: {fmt.plural(len(self.hits), 'hit')}"

    def only_failures(self) -> None:
        """Leave out all but failures, or no longer."""
        self.wanted = dataclasses.replace(self.wanted, failures=not self.wanted.failures)

    def only_changes(self) -> None:
        """Leave out all that is as in the attempt before, or no longer."""
        self.wanted = dataclasses.replace(self.wanted, changes=not self.wanted.changes)

    def clear(self) -> None:
        """Want everything again."""
        self.look_for("")
        self.wanted = TraceFilter()

    def look_for(self, words: str) -> bool:
        """Have these words looked for, none for ""; whether they are others than before."""
        query = Query(words) if words else None
        if query == self.wanted.query:
            return False
        self.wanted = dataclasses.replace(self.wanted, query=query)
        self.hits, self._looked, self.at = (), -1, -1
        return True

    def is_due(self, state: RunState) -> bool:
        """Whether the words have to be looked for in this state; asked once for each revision."""
        if self.wanted.query is None or self._looked == state.revision:
            return False
        self._looked = state.revision
        return True

    async def find(self, state: RunState) -> None:
        """Look for the words, in a thread."""
        if (query := self.wanted.query) is None:
            return
        found = tuple(await asyncio.to_thread(hits, list(state.tree.nodes.values()), query))
        if query == self.wanted.query:
            self.hits = found

    def forget(self) -> None:
        """The next state that is asked about is another one, whatever its revision."""
        self._applied = None

    def is_new(self, state: RunState) -> bool:
        """Whether `kept` may give others than the last time this was asked."""
        now = (state.revision if self.wanted else 0, self.wanted, self.hits)
        before, self._applied = self._applied, now
        return now != before

    def kept(self, state: RunState) -> set[Key] | None:
        """The rows that are left; None for all."""
        return kept(state, self.wanted, self.hits)

    def step(self, by: int) -> Hit | None:
        """Go to the next hit in either direction, and round; None where there is none."""
        if not self.hits:
            return None
        start = self.at if self.at >= 0 else -1 if by > 0 else 0
        self.at = (start + by) % len(self.hits)
        return self.hits[self.at]
