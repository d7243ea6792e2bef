"""The table of every screen: sized by what is in it, sorted, scrolled sideways, each row to be seen whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual import events

from tui.actions import bindings_for
from tui.format import plural
from tui.trace.marks import Piece
from tui.widgets.line_list import LineList
from tui.widgets.table_layout import (
    GAP,
    Column,
    Layout,
    fixed_columns,
    measured,
    readable,
    scrolled,
    sort_key,
)

if TYPE_CHECKING:
    from tui.navigation import Navigation

__all__ = ["Column", "TableRow", "TableView"]


@dataclass(frozen=True)
class TableRow:
    """A row's identity and its cells, one piece a column."""

    key: str
    cells: tuple[Piece, ...]


class TableView(LineList):
    """Rows under a header. What is not shown for want of room is a key away: sideways, or the row whole."""

    BINDINGS = bindings_for("table")

    def __init__(self, columns: Sequence[Column], *, id: str, empty: str = "") -> None:
        super().__init__(id=id, empty=empty)
        self.header_height = 1
        self._columns = tuple(columns)
        self._given: list[TableRow] = []  # as they came
        self._rows: list[TableRow] = []  # as they are shown
        self._natural: list[int] = [0] * len(self._columns)
        self._layouts: dict[int, Layout] = {}
        self._sort: tuple[int, bool] | None = None  # the column, and whether downwards
        self._start: int | None = None  # how many columns are scrolled out; None where it is not scrolled
        self._note, self._part = "", False

    # -- what is shown ---------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns

    @columns.setter
    def columns(self, columns: Sequence[Column]) -> None:
        """Others take the place of the rows as well."""
        if tuple(columns) != self._columns:
            self._columns, self._sort, self._start = tuple(columns), None, None
            self.show([])

    def show(self, rows: Sequence[TableRow]) -> None:
        """Show `rows`; the cursor stays on the row it was on, if that is still there."""
        if list(rows) == self._given and len(self._natural) == len(self._columns):
            return
        self._given = list(rows)
        self._natural = measured(self._columns, [row.cells for row in self._given])
        self._arrange()

    def tell(self, note: str, *, part: bool = False) -> None:
        """Say in the border what of the whole the rows are; `part`: there are more than have been loaded."""
        self._note, self._part = note, part
        self._sync_border()

    def _arrange(self) -> None:
        selected = self.selected
        rows = self._given
        if self._sort is not None:
            index, down = self._sort
            column = self._columns[index]
            keys = [sort_key(column, row.cells[index][0], place) for place, row in enumerate(rows)]
            order = sorted(range(len(rows)), key=keys.__getitem__, reverse=down)
            # Blanks stay last whichever way it is sorted.
            rows = [rows[i] for i in sorted(order, key=lambda i: keys[i][0] == 2)]
        self._rows = list(rows)
        self._layouts = {}
        self.rows_changed()
        if selected is not None:
            self.move(next((i for i, row in enumerate(self._rows) if row.key == selected), self.cursor))
        self._sync_border()

    def _sync_border(self) -> None:
        parts = [self._note] if self._note else []
        if self._sort is not None:
            index, down = self._sort
            among = f", among the {len(self._rows):,} that are loaded" if self._part else ""
            parts.append(f"by {self._columns[index].title or 'mark'} {'▼' if down else '▲'}{among}")
        width = self.scrollable_content_region.width
        if self._rows and width and (left_out := self._layout(width).left_out):
            parts.append(f"{plural(left_out, 'more column')} →")
        self.border_subtitle = " · ".join(parts).replace("[", "\\[")

    @property
    def selected(self) -> str | None:
        return self._rows[self.cursor].key if self.cursor < len(self._rows) else None

    @property
    def selected_place(self) -> int:
        """The place of the selected row among the rows as they were given; -1 where there is none."""
        key = self.selected
        return next((i for i, row in enumerate(self._given) if row.key == key), -1)

    @property
    def count(self) -> int:
        return len(self._rows)

    @property
    def plain_text(self) -> str:
        shown = [[c.title for c in self._columns], *([text for text, _ in row.cells] for row in self._rows)]
        return "\n".join("\t".join(cells) for cells in shown)

    # -- drawing ---------------------------------------------------------------------------------

    def on_resize(self) -> None:
        super().on_resize()
        self._sync_border()

    def watch_show_vertical_scrollbar(self) -> None:
        self._sync_border()  # it takes room from the columns

    def header(self, width: int) -> list[Piece]:
        titles: list[Piece] = [(c.title, "header") for c in self._columns]
        if self._sort is not None:
            index, down = self._sort
            titles[index] = (f"{'▼' if down else '▲'}{titles[index][0]}", "header")
        return self._line(titles, self._layout(width))

    def row(self, index: int, width: int) -> list[Piece]:
        return self._line(self._rows[index].cells, self._layout(width))

    def _layout(self, width: int) -> Layout:
        if (known := self._layouts.get(width)) is None:
            known = self._layouts[width] = self._laid_out(width - 1)  # air before the scroll bar
        return known

    def _laid_out(self, room: int) -> Layout:
        rows = [row.cells for row in self._rows]
        if self._start is None:
            return readable(self._columns, self._natural, self._chosen, room, rows)
        return scrolled(self._columns, self._natural, self._chosen, room, self._start, rows)

    def _line(self, cells: Sequence[Piece], layout: Layout) -> list[Piece]:
        pieces: list[Piece] = []
        for number, (index, room) in enumerate(layout.shown):
            column = self._columns[index]
            text, ink = cells[index]
            kept = layout.cut(index, column, text, room)
            pad = (" " * (room - cell_len(kept)), "")
            pieces += [(" " * GAP, "")] if number else []
            pieces += [pad, (kept, ink)] if column.kind == "number" else [(kept, ink), pad]
        return pieces

    # -- columns ---------------------------------------------------------------------------------

    @property
    def _memory_name(self) -> str:
        return f"columns:{self.screen.name}.{self.id}"

    @property
    def _chosen(self) -> list[int]:
        """The columns that are wanted: all but those that were put away."""
        away = cast("Navigation", self.app).memory.get(self._memory_name)
        away = away if isinstance(away, list) else []
        kept = [i for i, column in enumerate(self._columns) if column.title not in away or not column.title]
        return kept or [0]

    def action_choose_columns(self) -> None:
        titles = [column.title for column in self._columns if column.title]
        chosen = [self._columns[i].title for i in self._chosen]

        def take(kept: list[str] | None) -> None:
            if kept is not None:
                away = [title for title in titles if title not in kept]
                cast("Navigation", self.app).memory.put(self._memory_name, away or None)
                self._arrange()

        cast("Navigation", self.app).choose_columns(titles, chosen, take)

    def action_right(self) -> None:
        width = self.scrollable_content_region.width
        if self._layout(width).left_out:
            self._scroll_columns(0 if self._start is None else self._start + 1)

    def action_left(self) -> None:
        if self._start is not None:
            self._scroll_columns(self._start - 1 if self._start else None)

    def _scroll_columns(self, start: int | None) -> None:
        most = len(self._columns) - len(fixed_columns(self._columns, self._chosen)) - 1
        self._start = None if start is None else min(start, most)
        self._layouts = {}
        self._sync_border()
        self.refresh()

    def action_whole_row(self) -> None:
        """Every cell of the row, uncut."""
        if self.cursor < len(self._rows):
            cells = self._rows[self.cursor].cells
            named = [(c.title, text) for c, (text, _) in zip(self._columns, cells, strict=True) if c.title]
            cast("Navigation", self.app).show_row(named)

    # -- sorting ---------------------------------------------------------------------------------

    def action_sort_next(self) -> None:
        self._sort_step(1)

    def action_sort_previous(self) -> None:
        self._sort_step(-1)

    def action_reverse(self) -> None:
        if self._sort is not None:
            self._sort_by(self._sort[0], down=not self._sort[1])

    def _sort_step(self, by: int) -> None:
        """The next column in either direction; behind the last, the rows are as they came."""
        ways: list[int | None] = [None, *(i for i, column in enumerate(self._columns) if column.title)]
        at = ways.index(self._sort[0]) if self._sort is not None else 0
        self._sort_by(ways[(at + by) % len(ways)])

    def _sort_by(self, index: int | None, *, down: bool | None = None) -> None:
        if index is None:
            self._sort = None
        else:
            # What is most of a number is what people look for first.
            self._sort = (index, self._columns[index].kind == "number" if down is None else down)
        self._arrange()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is None or inside.y:
            return  # a row, which the list deals with
        event.prevent_default()
        at = 0
        for index, room in self._layout(self.scrollable_content_region.width).shown:
            if at <= inside.x < at + room:
                same = self._sort is not None and self._sort[0] == index
                self._sort_by(index, down=not self._sort[1] if same and self._sort else None)
                return
            at += room + GAP
