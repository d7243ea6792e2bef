"""A text to edit as itself: coloured where it is code, and open to the user's editor."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import TextArea

from tui.editing import edit_text
from tui.highlight import is_code, paint
from tui.safe import clean
from tui.widgets.line_view import overlay

# A text above this is edited in $EDITOR: a text area would hold up the screen.
MAX_EDITED = 100_000
_SUFFIXES = {"python": ".py", "json": ".json", "": ".txt"}


class TextField(TextArea):
    """One text. Nothing a terminal would act on is shown; what nobody touched keeps it all the same."""

    DEFAULT_CSS = """
    TextField {
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        background: $background;
        &:focus { border: round $primary; border-title-color: $primary; border-title-style: bold; }
    }
    """

    def __init__(self, text: str = "", *, title: str = "", json: bool = False, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, highlight_cursor_line=False)
        self._json = json
        self._inks: dict[str, Style] = {}
        self._quotes: list[str] = []  # the quote that is open where a line begins
        self.begin(text, title)

    def begin(self, text: str, title: str, *, read_only: bool = False) -> None:
        """Take the text that it starts from."""
        self._original, self._shown_first = text, clean(text)
        self._title, self._locked = title, read_only
        self._show(self._shown_first)

    def fill(self, text: str) -> None:
        """Have this in place of the text, as if it had been typed."""
        self._show(clean(text))

    def restore(self) -> None:
        """Back to the text that it started from."""
        self._show(self._shown_first)

    @property
    def whole(self) -> str:
        """The text as it is now, fit for the screen; the area has only the start of a very long one."""
        return self._long or self.text

    @property
    def is_changed(self) -> bool:
        return self.whole != self._shown_first

    @property
    def value(self) -> str:
        """The text as it is now; the very one that it started from where it was not changed."""
        return self.whole if self.is_changed else self._original

    async def open_editor(self) -> None:
        """Have the text changed in the user's editor."""
        before = self.whole
        edited = await edit_text(self.app, before, _SUFFIXES[self._language])
        if edited is not None:  # an editor ends the last line, whether it was ended before or not
            self.fill(edited if before.endswith("\n") else edited.removesuffix("\n"))

    def _show(self, text: str) -> None:
        self._long = text if len(text) > MAX_EDITED else ""
        self._language = "json" if self._json else "python" if is_code(text) else ""
        note = ", too long to edit here: open it in $EDITOR" if self._long else ""
        self.border_title = f"{self._title}{note}".replace("[", "\\[")
        self.read_only = self._locked or bool(self._long)
        self.load_text(f"{text[:MAX_EDITED]}\n…" if self._long else text)

    # -- colours -----------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        self._inks.clear()
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        self._quotes = [""]  # what was typed since may have opened or closed one
        return super().render_lines(crop)

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        if self._language:
            while len(self._quotes) <= line_index:
                above = self.document.get_line(len(self._quotes) - 1)
                self._quotes.append(_paint(above, self._quotes[-1]).quote)
            for start, end, ink in _paint(line.plain, self._quotes[line_index]).spans:
                line.stylize(self._ink(ink), start, end)
        return line

    def _ink(self, name: str) -> Style:
        if name not in self._inks:
            self._inks[name] = overlay(self, name)
        return self._inks[name]


_paint = lru_cache(maxsize=4096)(paint)
