"""The prompts of the playground: the recorded one and its edits, one of them in the text area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea

from tui.editing import edit_text
from tui.safe import clean
from tui.widgets.tab_strip import TabStrip

RECORDED = "recorded"
# A template above this is edited in $EDITOR: a text area would hold up the screen.
MAX_EDITED = 100_000


@dataclass
class Row:
    """A prompt: `text` is the template as edited, `shown` what of it is on the screen."""

    name: str
    text: str
    shown: str


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
        area = TextArea("", id="template", soft_wrap=True)
        area.border_title = "Prompt"
        area.read_only = True
        yield area

    @property
    def _area(self) -> TextArea:
        return self.query_one("#template", TextArea)

    @property
    def row(self) -> Row:
        """The prompt that is shown; there is one once `fill` was called."""
        return self.rows[self._at]

    def fill(self, template: str, edits: Sequence[tuple[str, str]]) -> None:
        """Take the recorded prompt and its edits by name, and show the last; without one, a first is made."""
        self.rows = [Row(RECORDED, template, clean(template))]
        self.rows += [Row(name, text, clean(text)) for name, text in edits]
        if not edits:
            self._add(template)
        self._show(len(self.rows) - 1)

    def add(self) -> None:
        """Another prompt, starting from the one that is shown."""
        self._add(self.row.text)
        self._show(len(self.rows) - 1)
        self._area.focus()

    def show_next(self) -> None:
        """Show the prompt after the one that is shown."""
        self._show((self._at + 1) % len(self.rows))

    async def open_editor(self) -> None:
        """Have the prompt changed in the user's editor; of the recorded one, a copy."""
        if self._at == 0:
            self.add()
        row = self.row
        edited = await edit_text(self.app, row.shown, ".txt")
        if edited is not None:
            edited = edited if row.shown.endswith("\n") else edited.removesuffix("\n")
            if edited != row.shown:
                row.text = row.shown = edited
            self._show(self._at)

    def _add(self, text: str) -> None:
        taken = {row.name for row in self.rows}
        number = next(n for n in range(1, len(taken) + 2) if f"edit {n}" not in taken)
        self.rows.append(Row(f"edit {number}", text, clean(text)))

    def _show(self, at: int) -> None:
        self._at = at
        row, area = self.row, self._area
        strip = self.query_one(TabStrip)
        strip.names = tuple(r.name for r in self.rows)
        strip.fill(strip.names)
        strip.active = row.name
        too_long = len(row.shown) > MAX_EDITED
        area.load_text(row.shown[:MAX_EDITED] + "\n…" if too_long else row.shown)
        area.read_only = at == 0 or too_long
        why = ""
        if at == 0:
            why = ", as it was sent"
        elif too_long:
            why = ", too long to edit here: open it in $EDITOR"
        area.border_title = f"Prompt · {row.name}{why}".replace("[", "\\[")
        self.post_message(self.Changed())

    @on(TextArea.Changed, "#template")
    def _typed(self, event: TextArea.Changed) -> None:
        """Take over what was typed. A text that was not touched stays as it is, whatever is hidden of it."""
        event.stop()
        if not self.rows:
            return
        row, area = self.row, self._area
        if not area.read_only and area.text != row.shown:
            row.text = row.shown = area.text
        self.post_message(self.Changed())

    @on(TabStrip.Picked, "#prompts")
    def _picked(self, event: TabStrip.Picked) -> None:
        event.stop()
        self._show(next(i for i, row in enumerate(self.rows) if row.name == event.name))
