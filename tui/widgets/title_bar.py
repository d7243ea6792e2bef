"""The line at the top: where you are, and which sandbox you can trust."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.safe import one_line


class TitleBar(Widget):
    """Product, screen and sandbox on one line; a weaker sandbox adds a warning below."""

    DEFAULT_CSS = """
    TitleBar {
        dock: top;
        height: auto;
        background: $surface;
        color: $foreground;
        padding: 0 1;
    }
    """
    crumb: reactive[str] = reactive("")
    note: reactive[str] = reactive("", layout=True)

    def __init__(self, crumb: str) -> None:
        super().__init__()
        self.set_reactive(TitleBar.crumb, crumb)

    def render(self) -> RenderResult:
        weak = bool(self.note) and not self.note.lower().startswith("docker")
        right = "⚠ weaker sandbox" if weak else "Docker sandbox" if self.note else ""
        width = self.content_region.width
        left = Content.assemble(
            ("◆ ", "$primary bold"),
            ("FlowReasoner", "bold"),
            ("  ›  ", "$foreground 35%"),
            (one_line(self.crumb, max(width - len(right) - 24, 8)), "$foreground 60%"),
        )
        style = "$text-warning bold" if weak else "$foreground 60%"
        line = Content.assemble(left, " " * max(width - left.cell_length - len(right), 1), (right, style))
        if not weak:
            return line
        return Content.assemble(line, "\n", (one_line(self.note, 400), "$text-warning"))
