"""The raw events of a run, one a line: number, time, kind, gist."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events import Event
from tui.trace.gist import failed, gist
from tui.trace.history import History
from tui.trace.marks import Piece
from tui.widgets.line_list import LineList
from tui.widgets.line_view import fit

KIND_WIDTH = 19


class EventsView(LineList):
    """Draws a `History`. Only what is in view is ever put into words."""

    def __init__(self, history: History, *, id: str | None = None) -> None:
        super().__init__(id=id, empty="Nothing has happened yet.")
        self._history = history
        self._only: Sequence[int] | None = None  # indices, where some are filtered out
        self._shown = (0, 0)
        self.follow = True

    def sync(self, position: int | None) -> None:
        """Take over what has come; what lies behind `position` is not there yet."""
        known = len(self._history) if position is None else position
        if self._shown == (known, id(self._only)):
            return
        self._shown = (known, id(self._only))
        at_end = self.cursor >= self.count - 1
        self.rows_changed()
        if (self.follow and at_end) or position is not None:
            self.move(self.count - 1)

    def only(self, indices: Sequence[int] | None) -> None:
        """Show only these events, all for None."""
        chosen = self.event_index
        self._only = indices
        self._shown = (-1, 0)
        self.rows_changed()
        if chosen is not None:
            self.select(chosen)

    @property
    def count(self) -> int:
        known = max(self._shown[0], 0) or len(self._history)
        if self._only is None:
            return known
        return sum(1 for i in self._only if i < known) if known < len(self._history) else len(self._only)

    def _index(self, row: int) -> int:
        return row if self._only is None else self._only[row]

    @property
    def event_index(self) -> int | None:
        """Which event of the history the cursor is on."""
        return self._index(self.cursor) if self.cursor < self.count else None

    @property
    def event(self) -> Event | None:
        index = self.event_index
        return None if index is None else self._history.events[index]

    def select(self, index: int) -> None:
        """Put the cursor on the event at `index`, or the one shown before it."""
        if self._only is None:
            self.move(index)
        else:
            self.move(max(sum(1 for i in self._only if i <= index) - 1, 0))

    def row(self, index: int, width: int) -> list[Piece]:
        event = self._history.events[self._index(index)]
        lead: list[Piece] = [
            (f"{event.seq:>6} ", "faint"),
            (f"{event.mono:>8.3f} ", "muted"),
            (f"{event.kind:<{KIND_WIDTH}} ", "error" if failed(event) else "accent"),
        ]
        rest, _ = fit(gist(event), max(width - sum(len(t) for t, _ in lead) - 1, 1))
        return [*lead, *rest]

    @property
    def plain_text(self) -> str:
        return "\n".join("".join(t for t, _ in self.row(i, 200)).rstrip() for i in range(self.count))
