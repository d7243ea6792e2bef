"""The base of every widget that draws lines: named inks from the theme, and pieces to strips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.trace.outline import Piece

INKS = (
    "muted", "faint", "title", "accent", "success", "warning", "error",
    "keyword", "string", "number", "comment", "call", "cursor", "cursor-blur", "header", "mark",
    "hit", "found", "removed", "added",
)  # fmt: skip


class LineView(ScrollView, can_focus=True):
    """A scrolling widget that draws its lines itself (Textual's line API), in the theme's inks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{name}" for name in INKS}
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
        & > .ink--muted { color: $foreground 60%; }
        & > .ink--faint { color: $foreground 35%; }
        & > .ink--title { color: $foreground; text-style: bold; }
        & > .ink--header { color: $foreground 60%; text-style: bold; }
        & > .ink--accent { color: $text-accent; }
        & > .ink--success { color: $text-success; }
        & > .ink--warning { color: $text-warning; }
        & > .ink--error { color: $text-error; }
        & > .ink--keyword { color: $text-primary; }
        & > .ink--string { color: $text-success; }
        & > .ink--number { color: $text-warning; }
        & > .ink--comment { color: $foreground 60%; text-style: italic; }
        & > .ink--call { color: $text-accent; }
        & > .ink--mark { background: $primary-muted; }
        & > .ink--hit { background: $warning-muted; color: $text-warning; }
        & > .ink--found { background: $warning; color: $background; text-style: bold; }
        & > .ink--removed { color: $text-error; background: $error-muted; text-style: bold underline; }
        & > .ink--added { color: $text-success; background: $success-muted; text-style: bold underline; }
        & > .ink--cursor { background: $primary-muted; text-style: bold; }
        & > .ink--cursor-blur { background: $surface; }
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
            style = self.rich_style
            if name:
                style += self.component_style(f"ink--{name}")
            self._inks[name] = style
        return style

    def component_style(self, name: str) -> Style:
        """What the style sheet says of a component class, with translucent colours mixed in.

        Textual's own `get_component_rich_style` drops the alpha, which is what makes text muted.
        """
        styles = self.get_component_styles(name)
        style = self.get_component_rich_style(name, partial=True)
        color = styles.color
        if styles.has_rule("color") and color.a < 1 and color.ansi is None:
            style += Style(color=(self.background_colors[1] + color).rich_color)
        return style

    def strip(self, pieces: Iterable[Piece], width: int, over: Style | None = None) -> Strip:
        """Pieces as one line of exactly `width` cells; `over` is laid on top (a cursor)."""
        over = over or Style.null()
        segments = [Segment(text, self.ink(ink) + over) for text, ink in pieces if text]
        return Strip(segments).adjust_cell_length(width, self.ink("") + over)


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
