"""A table of runs (or anything): fixed columns, one that takes the rest, columns dropped when narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.trace.marks import Piece
from tui.widgets.line_list import LineList
from tui.widgets.line_view import fit


@dataclass(frozen=True)
class Column:
    """`width` 0 takes what the others leave; the column is shown from a table width of `since` on."""

    title: str
    width: int = 0
    right: bool = False
    since: int = 0


@dataclass(frozen=True)
class TableRow:
    """A row's identity and its cells, one piece a column."""

    key: str
    cells: tuple[Piece, ...]


class TableView(LineList):
    """Rows under a header."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id, empty=empty)
        self.columns = tuple(columns)
        self.header_height = 1
        self._rows: list[TableRow] = []

    def show(self, rows: Sequence[TableRow]) -> None:
        """Show `rows`; the cursor stays on the row it was on, if that is still there."""
        if list(rows) == self._rows:
            return
        selected = self.selected
        self._rows = list(rows)
        self.rows_changed()
        if selected is not None:
            self.move(next((i for i, row in enumerate(self._rows) if row.key == selected), self.cursor))

    @property
    def selected(self) -> str | None:
        return self._rows[self.cursor].key if self.cursor < len(self._rows) else None

    @property
    def count(self) -> int:
        return len(self._rows)

    @property
    def plain_text(self) -> str:
        shown = [[c.title for c in self.columns], *([text for text, _ in row.cells] for row in self._rows)]
        return "\n".join("\t".join(cells) for cells in shown)

    def header(self, width: int) -> list[Piece]:
        return self._line([(c.title, "header") for c in self.columns], width)

    def row(self, index: int, width: int) -> list[Piece]:
        return self._line(self._rows[index].cells, width)

    def _line(self, cells: Sequence[Piece], width: int) -> list[Piece]:
        shown = [(c, cell) for c, cell in zip(self.columns, cells, strict=True) if width >= c.since]
        free = [c for c, _ in shown if not c.width]
        width -= 1  # air before the scroll bar
        rest = width - sum(c.width for c, _ in shown) - 2 * (len(shown) - 1)
        pieces: list[Piece] = []
        for number, (column, cell) in enumerate(shown):
            room = column.width or max(rest // max(len(free), 1), 1)
            kept, used = fit([cell], room)
            pad = (" " * (room - used), "")
            pieces += ([("  ", "")] if number else []) + ([pad, *kept] if column.right else [*kept, pad])
        return pieces
