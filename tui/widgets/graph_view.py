"""The operator graph of the workflow being written or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from tui.actions import bindings_for
from tui.trace.graph import draw
from tui.trace.marks import Piece
from tui.widgets.line_view import LineView


class GraphView(LineView):
    """Draws a graph's JSON; drawing happens only when graph or marks have changed."""

    BINDINGS = bindings_for("text")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[Mapping[str, Any], Mapping[str, Piece], Mapping[str, int]] | None = None
        self._lines: list[list[Piece]] = []

    def show(
        self, graph: Mapping[str, Any], marks: Mapping[str, Piece], counts: Mapping[str, int] | None = None
    ) -> None:
        """Show `graph` with a glyph per node and how often it ran, by node id."""
        counts = counts or {}
        if self._shown == (graph, marks, counts):
            return
        self._shown = (graph, dict(marks), dict(counts))
        self._lines = draw(graph, marks, counts)
        width = max((_width(line) for line in self._lines), default=0)
        size = Size(width, len(self._lines))
        self.refresh(layout=size != self.virtual_size)
        self.virtual_size = size

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(len(self._lines), 1)

    @property
    def plain_text(self) -> str:
        boxes = str.maketrans({"▐": "[", "▌": "]"})
        return "\n".join("".join(text for text, _ in line).translate(boxes).rstrip() for line in self._lines)

    def ink(self, name: str) -> Style:
        """Also `box` and `box-<ink>`: the same inks on a node's background."""
        if not name.startswith("box"):
            return super().ink(name)
        style = self._inks.get(name)
        if style is None:
            box = self.overlay("box")
            _, _, inner = name.partition("-")
            if inner == "edge":
                style = super().ink("") + Style(color=box.bgcolor)
            else:
                style = super().ink(inner) + Style(bgcolor=box.bgcolor)
            self._inks[name] = style
        return style

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        width = self.scrollable_content_region.width
        if not self._lines and y == 0:
            return self.strip([("Appears as the workflow is written.", "muted")], width)
        if scroll_y + y >= len(self._lines):
            return Strip.blank(width, self.ink(""))
        line = self._lines[scroll_y + y]
        centre = max((width - self.virtual_size.width) // 2, 0)
        strip = self.strip([(" " * centre, ""), *line], max(centre + _width(line), width))
        return strip.crop_extend(scroll_x, scroll_x + width, self.ink(""))


def _width(line: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in line)
