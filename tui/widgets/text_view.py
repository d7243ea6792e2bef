"""Text of any size, cleaned, wrapped, optionally highlighted, cheap to append to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from itertools import pairwise
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip

from tui.actions import bindings_for
from tui.highlight import Span, paint, paint_report
from tui.safe import MAX_CHARS, shown
from tui.trace.matches import Query
from tui.widgets.line_view import LineView
from tui.word_diff import expected_spans, word_spans

GUTTER = 4
COUNTS = 5
MAX_HITS = 10_000
# What a line begins with that its further rows are indented by: a mark or spaces, and a line's number.
_OPENING = re.compile(r"[ ▶+*-][ ]*(?:\d+ +)?")
_DIFF_INKS = {"+": "success", "-": "error", "@": "accent", "─": "title"}


class _Row(NamedTuple):
    """One row on the screen: its text, its colours, its line number where a line starts, and how far it is
    indented where it goes on with one.
    """

    text: str
    spans: list[Span]
    number: int
    indent: int = 0


class TextView(LineView):
    """Shows one text. Call `show` as often as you like: text that only grew costs its new lines.

    `tail` keeps the end of a text above the size limit instead of its start and follows it while the
    reader is at the bottom. `numbers` shows line numbers (and does not wrap, so that they mean lines).
    """

    BINDINGS = bindings_for("text")
    DEFAULT_CSS = "TextView { &:focus { text-style: none; } }"

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        language: str = "",
        tail: bool = False,
        numbers: bool = False,
        empty: str = "",
        limit: int = MAX_CHARS,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.whole = ""
        self._language = language
        self._tail, self._numbers, self._empty, self._limit = tail, numbers, empty, limit
        self._text = ""
        self._hidden = 0
        self._rows: list[_Row] = []
        self._width = 0
        self._last_line = (0, 0, 1, "")  # offset, row, number and open quote where the last line starts
        self._marked: int | None = None
        self._stops: frozenset[int] = frozenset()
        self._words: Mapping[int, list[Span]] = {}  # of lines, by their index: what is marked in them
        self._counts: Mapping[int, int] = {}
        self._now_running: frozenset[int] = frozenset()
        self._query: Query | None = None
        self._hits: list[int] = []  # the row each hit begins in
        self._hit_spans: dict[int, list[tuple[int, int, int]]] = {}  # per row: from, to, which hit
        self._hit = -1

    # -- content ---------------------------------------------------------------------------------

    @property
    def plain_text(self) -> str:
        """The whole text: what copy, export and the editor take."""
        return self.whole

    def show(self, text: str, language: str | None = None) -> None:
        """Show `text`."""
        language = self._language if language is None else language
        if text == self.whole and language == self._language:
            return
        at_end = self.is_vertical_scroll_end
        fresh = not text.startswith(self.whole) or language != self._language or not self.whole
        self.whole, self._language = text, language
        text, hidden = shown(text, self._limit, "tail" if self._tail else "head")
        if hidden:
            note = f"… {hidden:,} more characters, press e to open whole"
            text = f"{note}\n{text}" if self._tail else f"{text}\n{note}"
        grew = not fresh and hidden == self._hidden and text.startswith(self._text[: self._last_line[0]])
        grew = grew and language != "report"  # whose lines are coloured by what is above them
        self._text, self._hidden = text, hidden
        self._layout_rows(keep=grew)
        if self._tail and at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif fresh:
            self.scroll_to(0, 0, animate=False, immediate=True)

    def mark_line(self, number: int | None) -> None:
        """Point out a line, and bring it into view."""
        if number == self._marked:
            return
        self._marked = number
        if number is not None:
            row = next((i for i, r in enumerate(self._rows) if r.number == number), None)
            height = self.scrollable_content_region.height
            if row is not None and not self.scroll_offset.y <= row < self.scroll_offset.y + height:
                self.scroll_to(0, max(row - height // 2, 0), animate=False, immediate=True)
        self.refresh()

    def mark_words(self, spans: Mapping[int, list[Span]]) -> None:
        """Colour parts of lines, by the line's index, over what the language gives them."""
        if spans != self._words:
            self._words = spans
            self._layout_rows(keep=False)
            self.refresh()

    def mark_stops(self, numbers: Set[int]) -> None:
        """Put a dot at these lines: a run stops there."""
        if numbers != self._stops:
            self._stops = frozenset(numbers)
            self.refresh()

    def mark_counts(self, counts: Mapping[int, int], running: Set[int] = frozenset()) -> None:
        """Say beside each line how often it has run, and which lines run now."""
        if counts == self._counts and running == self._now_running:
            return
        resized = bool(counts) != bool(self._counts)
        self._counts, self._now_running = dict(counts), frozenset(running)
        if resized:
            self._layout_rows(keep=False)
        self.refresh()

    @property
    def _gutter(self) -> int:
        return (GUTTER + (COUNTS if self._counts else 0)) if self._numbers else 0

    # -- finding ---------------------------------------------------------------------------------

    def find(self, query: Query | None) -> None:
        """Point out every place that `query` matches; None takes that back."""
        if query != self._query:
            self._query, self._hit = query, -1
            self._find_hits()
            self.refresh()

    @property
    def hits(self) -> int:
        """How many places match in what is shown."""
        return len(self._hits)

    def to_hit(self, by: int) -> bool:
        """Go to the next (1) or previous (-1) match in this text; False at its end."""
        hit = self._hit + by if self._hit >= 0 else (0 if by > 0 else len(self._hits) - 1)
        if not 0 <= hit < len(self._hits):
            return False
        self._hit = hit
        row, height = self._hits[hit], max(self.scrollable_content_region.height, 1)
        if not self.scroll_offset.y <= row < self.scroll_offset.y + height:
            self.scroll_to(0, max(row - height // 2, 0), animate=False, immediate=True)
        self.refresh()
        return True

    def forget_hit(self) -> None:
        """The next `to_hit` starts from the text's own start or end."""
        self._hit = -1

    def _find_hits(self) -> None:
        """A line may lie on several rows, and a match across their ends."""
        self._hits, self._hit_spans = [], {}
        if self._query is None:
            return
        first = 0
        while first < len(self._rows) and len(self._hits) < MAX_HITS:
            end = first + 1
            while end < len(self._rows) and not self._rows[end].number:
                end += 1
            line = "".join(row.text[row.indent :] for row in self._rows[first:end])
            for start, stop in self._query.spans(line):
                self._note_hit(first, end, start, stop)
            first = end

    def _note_hit(self, first: int, end: int, start: int, stop: int) -> None:
        at, begun = 0, False
        for index in range(first, end):
            indent = self._rows[index].indent
            length = len(self._rows[index].text) - indent
            a, b = max(start - at, 0), min(stop - at, length)
            if a < b:
                if not begun:
                    self._hits.append(index)
                    begun = True
                self._hit_spans.setdefault(index, []).append((indent + a, indent + b, len(self._hits) - 1))
            at += length

    def on_resize(self) -> None:
        if self._row_width() != self._width:
            self._layout_rows(keep=False)
            if self._tail:
                self.scroll_end(animate=False, immediate=True, x_axis=False)

    def _row_width(self) -> int:
        # The scrollbar's column is always left free, so that its appearing does not wrap again.
        return max(self.content_region.width - (0 if self._numbers else 1), 8)

    def _layout_rows(self, *, keep: bool) -> None:
        """Wrap and colour; with `keep`, only from the start of the last line that was there."""
        if not self.is_mounted or not self.content_region.width:
            return
        self._width = self._row_width()
        offset, row, number, quote = self._last_line if keep else (0, 0, 1, "")
        del self._rows[row:]
        lines = self._text[offset:].split("\n") if self._text else []
        code, diff = self._language == "python", self._language == "diff"
        report = paint_report(lines) if self._language == "report" else []
        words = word_spans(lines) if diff else expected_spans(lines) if report else {}
        for place, line in enumerate(lines):
            start, start_quote = len(self._rows), quote
            spans: list[Span] = []
            if code:
                spans, quote = paint(line, quote)
            elif report:
                spans = [*words.get(place, ()), *report[place]]
            elif diff and line[:1] in _DIFF_INKS:
                spans = [*words.get(place, ()), (0, len(line), _DIFF_INKS[line[:1]])]
            if number - 1 in self._words:
                spans = [*self._words[number - 1], *spans]
            if self._numbers:
                self._rows.append(_Row(line, spans, number))
            else:
                self._rows += _wrap(line, spans, self._width, number)
            self._last_line = (offset, start, number, start_quote)
            offset += len(line) + 1
            number += 1
        if not lines:
            self._last_line = (0, 0, 1, "")
        width = self._width
        if self._numbers:
            width = self._gutter + 1 + max((cell_len(r.text) for r in self._rows), default=0)
        self.virtual_size = Size(width, len(self._rows))
        self._find_hits()
        self.refresh()

    # -- drawing ---------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        width = self.scrollable_content_region.width
        plain = self.ink("")
        index = scroll_y + y
        if not self._rows and self._empty and y == 0:
            return self.strip([(self._empty, "muted")], width)
        if index >= len(self._rows):
            return Strip.blank(width, plain)
        row = self._rows[index]
        over = self.ink("mark") if self._marked is not None and row.number == self._marked else None
        strip = Strip(self._segments(index, row, over))
        gutter = Strip([])
        if self._numbers:
            dot = ("●", "error") if row.number in self._stops else (" ", "faint")
            pieces = [(f"{row.number:>{GUTTER - 1}}", "faint"), dot]
            if self._counts:
                times = self._counts.get(row.number)
                pieces.append((f"{f'{times}×' if times else '':>{COUNTS - 1}}", "muted"))
                pieces.append(("▸", "accent") if row.number in self._now_running else (" ", ""))
            gutter = self.strip(pieces, self._gutter)
            width -= self._gutter
        is_cut = self._numbers and strip.cell_length > scroll_x + width
        strip = strip.crop_extend(scroll_x, scroll_x + width - is_cut, plain + over if over else plain)
        if is_cut:
            strip = Strip.join([strip, self.strip([("…", "faint")], 1, over)])
        return Strip.join([gutter, strip.apply_offsets(scroll_x, index)])

    def _segments(self, index: int, row: _Row, over: Style | None) -> list[Segment]:
        text = row.text
        styles: list[tuple[int, int, Style]] = [(a, b, self.ink(ink)) for a, b, ink in row.spans]
        cuts = {0, len(text)} | {p for a, b, _ in styles for p in (a, b)}
        selected = None
        if (selection := self.text_selection) is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            selected = (start, len(text) if end == -1 else end)
            cuts |= {min(p, len(text)) for p in selected}
        found = self._hit_spans.get(index, [])
        cuts |= {p for a, b, _ in found for p in (a, b)}
        marks = sorted(cuts)
        segments = []
        for a, b in pairwise(marks):
            style = next((s for x, y, s in styles if x <= a < y), self.ink(""))
            if over is not None:
                style += Style(bgcolor=over.bgcolor)
            for start, end, hit in found:
                if start <= a < end:
                    style += self.ink("found" if hit == self._hit else "hit")
            if selected and selected[0] <= a < selected[1]:
                style += self.screen.get_component_rich_style("screen--selection")
            segments.append(Segment(text[a:b], style))
        return segments

    # -- selection with the mouse ----------------------------------------------------------------

    @property
    def allow_select(self) -> bool:
        return True

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(row.text for row in self._rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


def _wrap(line: str, spans: list[Span], width: int, number: int) -> list[_Row]:
    """A line as rows of at most `width` cells, broken at spaces where there are any; the rows after the first
    begin below the line's own beginning, behind its indentation, bullet or line number.
    """
    if len(line) <= width and (line.isascii() or cell_len(line) <= width):
        return [_Row(line, spans, number)]
    opening = _OPENING.match(line)
    hanging = opening.end() if opening and opening.end() <= width // 2 else 0
    rows: list[_Row] = []
    start = 0
    while start < len(line):
        indent = hanging if start else 0
        end = _break(line, start, width - indent)
        shift = indent - start
        part = [(max(a, start) + shift, min(b, end) + shift, i) for a, b, i in spans if a < end and b > start]
        rows.append(_Row(" " * indent + line[start:end], part, 0 if start else number, indent))
        start = end
    return rows


def _break(line: str, start: int, width: int) -> int:
    """Where the row that starts at `start` ends; always after at least one character."""
    if line.isascii():
        end = start + width
    else:
        end, cells = start, 0
        while end < len(line):
            cells += get_character_cell_size(line[end])
            if cells > width:
                break
            end += 1
        end = max(end, start + 1)
    if end >= len(line):
        return len(line)
    space = line.rfind(" ", start, end)
    return space + 1 if space > start + (end - start) // 3 else end
