"""A list with a cursor that draws only the rows in view; the base of the step tree and the tables."""

from __future__ import annotations

from textwrap import wrap

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tui.actions import bindings_for
from tui.trace.marks import Piece
from tui.widgets.line_view import LineView


class LineList(LineView):
    """Rows, a cursor and optionally a header. Subclasses say how many rows there are and what each shows."""

    BINDINGS = bindings_for("list")
    cursor: reactive[int] = reactive(0)

    class Highlighted(Message):
        """The cursor moved."""

        def __init__(self, view: LineList, index: int) -> None:
            super().__init__()
            self.view, self.index = view, index

        @property
        def control(self) -> LineList:
            return self.view

    class Chosen(Highlighted):
        """Enter or a second click on a row."""

    def __init__(self, *, id: str | None = None, classes: str | None = None, empty: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self.empty = empty
        self.header_height = 0

    # -- for subclasses --------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def row(self, index: int, width: int) -> list[Piece]:
        """What row `index` shows in `width` cells."""
        raise NotImplementedError

    def header(self, width: int) -> list[Piece]:
        """The line above the rows, when `header_height` is 1."""
        return []

    def rows_changed(self) -> None:
        """Call this when the rows are others than before."""
        size = Size(self.scrollable_content_region.width, self.count + self.header_height)
        if size.height != self.virtual_size.height:
            self.virtual_size = size
            # The scroll bar, and with it how far one can scroll, is only updated with the next refresh.
            self.call_after_refresh(self._reveal)
        if self.cursor >= self.count:
            self.cursor = max(self.count - 1, 0)
        self.refresh()

    # -- drawing ---------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self.header_height and y == 0 and self.count:
            return self.strip(self.header(width), width)
        index = self.scroll_offset.y + y - self.header_height
        if not self.count:
            lines = [part for line in self.empty.split("\n") for part in _wrapped(line, width)]
            return self.strip([(lines[y] if y < len(lines) else "", "muted")], width)
        if not 0 <= index < self.count:
            return Strip.blank(width, self.ink(""))
        over = None
        if index == self.cursor:
            over = self.overlay("cursor" if self.has_focus else "cursor-blur")
        return self.strip(self.row(index, width), width, over)

    # -- moving ----------------------------------------------------------------------------------

    def move(self, index: int) -> None:
        """Put the cursor on `index`, or the nearest row there is."""
        self.cursor = max(0, min(index, self.count - 1))

    def on_resize(self) -> None:
        self._reveal()

    def watch_cursor(self) -> None:
        self._reveal()
        self.refresh()
        if self.count:
            self.post_message(self.Highlighted(self, self.cursor))

    def _reveal(self) -> None:
        """Scroll so that the cursor is in view."""
        height = self._page
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    @property
    def _page(self) -> int:
        return max(self.scrollable_content_region.height - self.header_height, 1)

    def action_down(self) -> None:
        self.move(self.cursor + 1)

    def action_up(self) -> None:
        self.move(self.cursor - 1)

    def action_page_down(self) -> None:
        self.move(self.cursor + self._page)

    def action_page_up(self) -> None:
        self.move(self.cursor - self._page)

    def action_first(self) -> None:
        self.move(0)

    def action_last(self) -> None:
        self.move(self.count - 1)

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is None:
            return
        index = inside.y + self.scroll_offset.y - self.header_height
        if not 0 <= index < self.count or inside.y < self.header_height:
            return
        if index == self.cursor:
            self.action_choose()
        self.move(index)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


def _wrapped(line: str, width: int) -> list[str]:
    return wrap(line, max(width, 1), break_on_hyphens=False) or [""]
