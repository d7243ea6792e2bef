"""Checkboxes whose states differ in what is drawn, not in colour alone: Textual draws a cross for both."""

from __future__ import annotations

from typing import TypeVar

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Checkbox, SelectionList

ON, OFF = "✓", " "
Value = TypeVar("Value")


class CheckBox(Checkbox):
    """One thing that is so or not."""

    def __init__(self, label: str, value: bool = False, *, id: str) -> None:
        super().__init__(label, value, id=id, compact=True)

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802
        return ON if self.value else OFF


class CheckList(SelectionList[Value]):
    """Several things, some of which are picked."""

    def render_line(self, y: int) -> Strip:
        left, inner, *rest = super().render_line(y)
        index = self.scroll_offset.y + y
        if index >= self.option_count:
            return Strip([left, inner, *rest])
        picked = self.get_option_at_index(index).value in self.selected
        return Strip([left, Segment(ON if picked else OFF, inner.style), *rest])
