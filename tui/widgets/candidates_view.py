"""The candidates of a group side by side: scores, advantages, and the words they got them for."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tui.actions import bindings_for
from tui.jobs.curves import value_text
from tui.safe import shown
from tui.trace.marks import Piece
from tui.widgets.line_view import LineView, fit

if TYPE_CHECKING:
    from store.jobs.reading import CandidateRow

LEAST, MOST = 25, 44  # cells of a column
_WORDS = 4000  # characters of a candidate's words that are shown
_GAP = 2


class CandidatesView(LineView):
    """Columns with a cursor; as many as fit are in view, and the cursor brings the others there."""

    BINDINGS = bindings_for("candidates")
    cursor: reactive[int] = reactive(0)

    class Chosen(Message):
        """The user wants to see this candidate's run."""

        def __init__(self, candidate: CandidateRow) -> None:
            super().__init__()
            self.candidate = candidate

    def __init__(self, *, id: str, empty: str = "") -> None:
        super().__init__(id=id)
        self._empty = empty
        self._rows: tuple[CandidateRow, ...] = ()
        self._columns: list[list[Piece]] = []
        self._first = 0

    def show(self, rows: Sequence[CandidateRow]) -> None:
        """Show `rows`; the cursor stays where it was."""
        if tuple(rows) == self._rows:
            return
        self._rows = tuple(rows)
        self.cursor = max(min(self.cursor, len(rows) - 1), 0)
        self._lay_out()

    @property
    def selected(self) -> CandidateRow | None:
        return self._rows[self.cursor] if self._rows else None

    @property
    def plain_text(self) -> str:
        return "\n\n".join("\n".join(text for text, _ in _lines(row, 100)) for row in self._rows)

    # -- drawing -----------------------------------------------------------------------------------

    @property
    def _room(self) -> tuple[int, int]:
        """The width of a column, and how many are in view."""
        width = max(self.content_region.width - 1, LEAST)  # air for the scroll bar
        fitting = max((width + _GAP) // (LEAST + _GAP), 1)
        count = max(min(fitting, len(self._rows)), 1)
        return min((width + _GAP) // count - _GAP, MOST), count

    def _lay_out(self) -> None:
        width, _ = self._room
        self._columns = [_lines(row, width) for row in self._rows]
        height = max((len(column) for column in self._columns), default=0)
        self.virtual_size = Size(self.scrollable_content_region.width, height)
        self._reveal()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if not self._rows:
            return self.strip([(self._empty if y == 0 else "", "muted")], width)
        line = y + self.scroll_offset.y
        room, count = self._room
        strips = []
        for index in range(self._first, min(self._first + count, len(self._rows))):
            column = self._columns[index]
            text, ink = column[line] if line < len(column) else ("", "")
            over = None
            if index == self.cursor and line == 0:
                over = self.overlay("cursor" if self.has_focus else "cursor-blur")
            strips += [self.strip(fit([(text, ink)], room)[0], room, over), self.strip([], _GAP)]
        return Strip.join(strips).adjust_cell_length(width, self.ink(""))

    def on_resize(self) -> None:
        self._lay_out()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # -- moving ------------------------------------------------------------------------------------

    def watch_cursor(self) -> None:
        self._reveal()
        self.refresh()

    def _reveal(self) -> None:
        _, count = self._room
        self._first = max(min(self._first, self.cursor, len(self._rows) - count), 0)
        if self.cursor >= self._first + count:
            self._first = self.cursor - count + 1
        last = min(self._first + count, len(self._rows))
        more = len(self._rows) > count
        self.border_subtitle = f"{self._first + 1}–{last} of {len(self._rows)}" if more else ""

    def action_next(self) -> None:
        self.cursor = max(min(self.cursor + 1, len(self._rows) - 1), 0)

    def action_previous(self) -> None:
        self.cursor = max(self.cursor - 1, 0)

    def action_open(self) -> None:
        if (candidate := self.selected) is not None:
            self.post_message(self.Chosen(candidate))

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is None:
            return
        room, _ = self._room
        index = self._first + inside.x // (room + _GAP)
        if index == self.cursor:
            self.action_open()
        elif index < len(self._rows):
            self.cursor = index


def _lines(row: CandidateRow, width: int) -> list[Piece]:
    """A candidate as lines of at most `width` cells."""
    lines: list[Piece] = [(f"candidate {row.number}", "title")]
    score = "no score" if row.score is None else f"score {row.score:.3f}"
    reward = "dropped" if row.reward is None else f"reward {row.reward:+.3f}"
    lines += [(score, "" if row.score is not None else "warning"), (reward, _ink(row.reward))]
    rounds = max(len(row.rounds), len(row.advantages))
    if rounds:
        lines.append(("round  reward  advantage", "faint"))
    for number in range(rounds):
        value = value_text(row.rounds[number]) if number < len(row.rounds) else ""
        gain = row.advantages[number] if number < len(row.advantages) else None
        advantage = "" if gain is None else f"{gain:+.3f}"
        lines.append((f"{number + 1:>5}  {value:>6}  {advantage:>9}", _ink(gain)))
    lines.append(("", ""))
    for line in shown(row.words, _WORDS).text.split("\n"):
        lines += [(piece, "muted") for piece in wrap(line, max(width, 8)) or [""]]
    if row.run_id is not None and not row.is_stored:
        lines += [("", ""), ("its run is not here yet", "faint")]
    return lines


def _ink(value: float | None) -> str:
    return "muted" if not value else "success" if value > 0 else "error"
