"""The prompts of the playground: the recorded one and its edits, one of them in the text area."""

from __future__ import annotations

from textual import on
from textual.widgets import Input, TextArea

from tui.editing import edit_text
from tui.safe import clean
from tui.screens.playground.keeping import KeepControl, Row
from tui.widgets.tab_strip import TabStrip

RECORDED = "recorded"
# A template above this is edited in $EDITOR: a text area would hold up the screen.
MAX_EDITED = 100_000


class PromptsControl(KeepControl):
    """The actions that add, show and change prompts."""

    _at: int

    def _sync(self, force: bool = False) -> None:
        raise NotImplementedError

    def _add_row(self, text: str) -> None:
        taken = {row.name for row in self._rows}
        number = next(n for n in range(1, len(taken) + 2) if f"edit {n}" not in taken)
        self._rows.append(Row(f"edit {number}", text, clean(text)))

    def _show_row(self, at: int) -> None:
        self._at = at
        row, area = self._rows[at], self.query_one("#template", TextArea)
        strip = self.query_one("#prompts", TabStrip)
        strip.names = tuple(r.name for r in self._rows)
        strip.fill(strip.names)
        strip.active = row.name
        too_long = len(row.shown) > MAX_EDITED
        area.load_text(row.shown[:MAX_EDITED] + "\n…" if too_long else row.shown)
        area.read_only = at == 0 or too_long
        why = (
            ", as it was sent"
            if at == 0
            else ", too long to edit here: open it in $EDITOR"
            if too_long
            else ""
        )
        area.border_title = f"Prompt · {row.name}{why}".replace("[", "\\[")
        self._sync(force=True)

    def _keep(self) -> None:
        """Take over what was typed. A text that was not touched stays as it is, whatever is hidden of it."""
        row, area = self._rows[self._at], self.query_one("#template", TextArea)
        if not area.read_only and area.text != row.shown:
            row.text = row.shown = area.text

    @on(TextArea.Changed, "#template")
    def _typed(self) -> None:
        if self._rows:
            self._keep()
            self._sync(force=True)

    @on(TabStrip.Picked, "#prompts")
    def _pick_prompt(self, event: TabStrip.Picked) -> None:
        self._show_row(next(i for i, row in enumerate(self._rows) if row.name == event.name))

    def action_add_edit(self) -> None:
        """Another prompt, starting from the one on the screen."""
        if self._rows:
            self._add_row(self._rows[self._at].text)
            self._show_row(len(self._rows) - 1)
            self.query_one("#template").focus()

    def action_next_prompt(self) -> None:
        if self._rows:
            self._show_row((self._at + 1) % len(self._rows))

    def action_add_model(self) -> None:
        box = self.query_one("#models", Input)
        box.value = box.value.rstrip(", ") + ", " if box.value.strip(", ") else ""
        box.focus()
        box.cursor_position = len(box.value)

    async def action_open_editor(self) -> None:
        if not self._rows:
            return
        if self._at == 0:
            self.action_add_edit()
        row = self._rows[self._at]
        edited = await edit_text(self.app, row.shown, ".txt")
        if edited is not None:
            edited = edited if row.shown.endswith("\n") else edited.removesuffix("\n")
            if edited != row.shown:
                row.text = row.shown = edited
            self._show_row(self._at)
