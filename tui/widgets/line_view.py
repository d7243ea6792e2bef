"""The base of every widget that draws lines: named inks from the theme, and pieces to strips."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.trace.marks import Piece

# Looked up when a line is drawn. As component classes each would be styled again with every change of
# focus or page, in every view there is: that was half of a screen's cost.
INKS = {
    "muted": "$foreground 60%",
    "faint": "$foreground 35%",
    "title": "bold $foreground",
    "header": "bold $foreground 60%",
    "accent": "$text-accent",
    "success": "$text-success",
    "warning": "$text-warning",
    "error": "$text-error",
    "keyword": "$text-primary",
    "string": "$text-success",
    "number": "$text-warning",
    "comment": "italic $foreground 60%",
    "call": "$text-accent",
    "mark": "on $primary-muted",
    "hit": "$text-warning on $warning-muted",
    "found": "bold $background on $warning",
    "removed": "bold underline $text-error on $error-muted",
    "added": "bold underline $text-success on $success-muted",
    "cursor": "bold on $primary-muted",
    "cursor-blur": "on $surface",
    "box": "$foreground on $panel",
}


class LineView(ScrollView, can_focus=True):
    """A scrolling widget that draws its lines itself (Textual's line API), in the theme's inks."""

    DEFAULT_CSS = """
    LineView {
        background: $background;
        color: $foreground;
        scrollbar-size: 0 1;
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        padding: 0 1;
        &:focus {
            border: round $primary;
            border-title-color: $primary;
            border-title-style: bold;
        }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._inks: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._inks.clear()

    @property
    def plain_text(self) -> str:
        """The whole text, for copy, export and the editor."""
        return ""

    def ink(self, name: str) -> Style:
        """The style of `name`, "" being the plain one."""
        style = self._inks.get(name)
        if style is None:
            style = self.rich_style + self.overlay(name) if name else self.rich_style
            self._inks[name] = style
        return style

    def overlay(self, name: str) -> Style:
        """What the ink says and no more."""
        return overlay(self, name)

    def strip(self, pieces: Iterable[Piece], width: int, over: Style | None = None) -> Strip:
        """Pieces as one line of exactly `width` cells; `over` is laid on top (a cursor)."""
        over = over or Style.null()
        segments = [Segment(text, self.ink(ink) + over) for text, ink in pieces if text]
        return Strip(segments).adjust_cell_length(width, self.ink("") + over)


def overlay(widget: Widget, name: str) -> Style:
    """What an ink says and no more, with translucent text mixed into the widget's background."""
    ink = widget.app.stylesheet.parse_style(INKS[name])
    color, background = ink.foreground, ink.background
    if color is not None and color.a < 1 and color.ansi is None:
        color = widget.background_colors[1] + color
    return Style(
        color=color.rich_color if color else None,
        bgcolor=background.rich_color if background and background.a else None,
        bold=ink.bold,
        italic=ink.italic,
        underline=ink.underline,
    )


def fit(pieces: list[Piece], width: int) -> tuple[list[Piece], int]:
    """As much of `pieces` as fits into `width` cells, with an ellipsis where it was cut, and its width."""
    used = 0
    kept: list[Piece] = []
    for text, ink in pieces:
        cells = cell_len(text)
        if used + cells <= width:
            kept.append((text, ink))
            used += cells
            continue
        room = width - used - 1
        if room < 0:
            if kept:
                last, last_ink = kept.pop()
                kept.append((f"{last[:-1]}…", last_ink))
            return kept, used
        short = text
        while cell_len(short) > room:
            short = short[: max(room, 0)] if short.isascii() else short[:-1]
        kept.append((f"{short}…", ink))
        return kept, used + cell_len(short) + 1
    return kept, used
