"""The prompts of the playground: the recorded one and its edits, one of them in the text area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea

from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_field import TextField

RECORDED = "recorded"


@dataclass
class Row:
    """A prompt: `text` is the template as edited."""

    name: str
    text: str


class PromptEditor(Vertical):
    """Holds the prompts, the recorded one first, and has one of them edited."""

    DEFAULT_CSS = """
    PromptEditor { height: 1fr; }
    """

    class Changed(Message):
        """Another prompt is shown, or one has changed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        self._at = 0

    def compose(self) -> ComposeResult:
        yield TabStrip((RECORDED,), id="prompts")
        area = TextField(title="Prompt", id="template")
        area.read_only = True
        yield area

    @property
    def _area(self) -> TextField:
        return self.query_one("#template", TextField)

    @property
    def row(self) -> Row:
        """The prompt that is shown; there is one once `fill` was called."""
        return self.rows[self._at]

    def fill(self, template: str, edits: Sequence[tuple[str, str]]) -> None:
        """Take the recorded prompt and its edits by name, and show the last; without one, a first is made."""
        self.rows = [Row(RECORDED, template), *(Row(name, text) for name, text in edits)]
        if not edits:
            self._add(template)
        self._show(len(self.rows) - 1)

    def add(self) -> None:
        """Another prompt, starting from the one that is shown."""
        self._add(self.row.text)
        self._show(len(self.rows) - 1)
        self.screen.set_focus(self._area)

    def show_next(self) -> None:
        """Show the prompt after the one that is shown."""
        self._show((self._at + 1) % len(self.rows))

    async def open_editor(self) -> None:
        """Have the prompt changed in the user's editor; of the recorded one, a copy."""
        if self._at == 0:
            self.add()
        await self._area.open_editor()

    def _add(self, text: str) -> None:
        taken = {row.name for row in self.rows}
        number = next(n for n in range(1, len(taken) + 2) if f"edit {n}" not in taken)
        self.rows.append(Row(f"edit {number}", text))

    def _show(self, at: int) -> None:
        self._at = at
        row = self.row
        strip = self.query_one(TabStrip)
        strip.names = tuple(r.name for r in self.rows)
        strip.fill(strip.names)
        strip.active = row.name
        why = ", as it was sent" if at == 0 else ""
        self._area.begin(row.text, f"Prompt · {row.name}{why}", read_only=at == 0)
        self.post_message(self.Changed())

    @on(TextArea.Changed, "#template")
    def _typed(self, event: TextArea.Changed) -> None:
        """Take over what was typed. A text that was not touched stays as it is, whatever is hidden of it."""
        event.stop()
        if self.rows:
            self.row.text = self._area.value
            self.post_message(self.Changed())

    @on(TabStrip.Picked, "#prompts")
    def _picked(self, event: TabStrip.Picked) -> None:
        event.stop()
        self._show(next(i for i, row in enumerate(self.rows) if row.name == event.name))
