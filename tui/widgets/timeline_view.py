"""The steps as bars by wall time, one row each, so that what overlapped lies under each other."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tui.actions import bindings_for
from tui.trace import bars
from tui.trace.bars import Window
from tui.trace.marks import Piece
from tui.trace.nodes import Key
from tui.trace.outline import cells
from tui.trace.state import RunState
from tui.widgets.line_list import LineList
from tui.widgets.line_view import fit

ZOOM = 0.5
SHIFT = 0.25


class TimelineView(LineList):
    """Draws a `RunState` by time. Call `sync` when the state may have changed."""

    BINDINGS = bindings_for("timeline")

    def __init__(
        self, state: RunState, since_last_event: Callable[[], float], *, id: str | None = None
    ) -> None:
        super().__init__(id=id, empty="Nothing has happened yet.")
        self.state = state
        self.keep: Collection[Key] | None = None
        self.header_height = 1
        self._since = since_last_event
        self._rows: list[tuple[Key, int]] = []
        self._index: dict[Key, int] = {}
        self._window: Window | None = None  # None is the whole run
        self._seen: tuple[int, int] = (-1, -1)

    # -- state to rows ---------------------------------------------------------------------------

    def show_state(self, state: RunState) -> None:
        """Draw another state of the run."""
        self.state = state
        self.sync(force=True)

    def sync(self, *, force: bool = False) -> None:
        """Take over what has changed since the last call."""
        seen = (len(self.state.tree.changed), id(self.keep))
        if seen == self._seen and not force:
            if self.state.tree.open:
                self.refresh()  # running bars
            return
        self._seen = seen
        selected = self.selected
        self._rows = bars.timeline_rows(self.state, self.keep)
        self._index = {key: i for i, (key, _) in enumerate(self._rows)}
        self.rows_changed()
        self.select(selected)

    @property
    def selected(self) -> Key | None:
        return self._rows[self.cursor][0] if self.cursor < len(self._rows) else None

    def has(self, key: Key) -> bool:
        """Whether `key` is a row of its own."""
        return key in self._index

    def select(self, key: Key | None) -> None:
        """Put the cursor on `key`, or on what it is in."""
        while key is not None and key not in self._index:
            node = self.state.tree.nodes.get(key)
            key = node.parent if node else None
        if key is not None:
            self.move(self._index[key])

    # -- LineList --------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        return len(self._rows)

    @property
    def _now(self) -> float:
        return self.state.mono + (self._since() if self.state.tree.open else 0.0)

    @property
    def window(self) -> Window:
        """The part of the run in view."""
        return self._window or Window(0.0, max(self._now, 0.001))

    def _label_width(self, width: int) -> int:
        return min(max(width // 3, 12), 26)

    def header(self, width: int) -> list[Piece]:
        label = self._label_width(width)
        shown = "" if self._window is None else f"zoom ×{max(self._now / self.window.span, 1):.3g}"
        return [(f"{shown:<{label}}", "muted"), (bars.axis(self.window, max(width - label - 1, 1)), "faint")]

    def row(self, index: int, width: int) -> list[Piece]:
        key, depth = self._rows[index]
        node = self.state.tree.nodes[key]
        room = self._label_width(width)
        cell = cells(self.state, node, self._since())
        lead: list[Piece] = [(" " * min(depth, 4), ""), (f"{cell.glyph} ", cell.ink), *cell.label]
        label, used = fit(lead, room - 1)
        line = bars.cells(self.state, node, self.window, max(width - room - 1, 1), self._now)
        return [*label, (" " * (room - used), ""), *bars.pieces(line)]

    def legend(self) -> str:
        """What the bars are drawn with."""
        return "  ".join(f"{glyph} {word}" for glyph, _, word in bars.LOOKS.values() if word)

    @property
    def plain_text(self) -> str:
        lines = [self.header(100), *(self.row(i, 100) for i in range(self.count))]
        return "\n".join(
            "".join(text for text, _ in line).rstrip() for line in [*lines, [(self.legend(), "")]]
        )

    # -- keys ------------------------------------------------------------------------------------

    def _zoom(self, factor: float) -> None:
        key = self.selected
        node = self.state.tree.nodes.get(key) if key else None
        window = self.window
        middle = (window.start + window.end) / 2
        if node is not None:
            start, end = bars.extent(self.state, node, self._now)
            # Around the selected step, unless it is longer than what is in view.
            middle = (start + end) / 2 if end - start < window.span else middle
        wider = window.zoomed(factor, middle, self._now)
        self._window = None if wider.span >= self._now else wider
        self.refresh()

    def action_zoom_in(self) -> None:
        self._zoom(ZOOM)

    def action_zoom_out(self) -> None:
        self._zoom(1 / ZOOM)

    def action_zoom_all(self) -> None:
        self._window = None
        self.refresh()

    def _shift(self, by: float) -> None:
        if self._window is not None:
            self._window = self._window.moved(by, self._now)
            self.refresh()

    def action_later(self) -> None:
        self._shift(SHIFT)

    def action_earlier(self) -> None:
        self._shift(-SHIFT)
