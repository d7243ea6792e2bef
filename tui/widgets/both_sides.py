"""Two texts beside each other, the words in which they differ marked; over each, a few lines about it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tui.widgets.text_view import TextView
from tui.word_diff import side_spans

LETTERS = ("a", "b")


class BothSides(Horizontal):
    """The texts are the views `ID-a` and `ID-b`, the lines about them `ID-about-a` and `ID-about-b`."""

    DEFAULT_CSS = """
    BothSides {
        & > Vertical { width: 1fr; height: 100%; }
        .about { height: auto; max-height: 40%; }
        .text { height: 1fr; }
    }
    """

    def __init__(self, *, id: str, language: str = "", empty: str = "") -> None:
        super().__init__(id=id)
        self._language, self._empty = language, empty

    def compose(self) -> ComposeResult:
        for letter in LETTERS:
            with Vertical():
                yield TextView(id=f"{self.id}-about-{letter}", classes="about", language="report")
                yield TextView(
                    id=f"{self.id}-{letter}", classes="text", language=self._language, empty=self._empty
                )

    def show(
        self, titles: tuple[str, str], texts: tuple[str, str], about: tuple[str, str] = ("", "")
    ) -> None:
        """Show both sides; without lines about either, the texts have all the room."""
        # Beside nothing, nothing of a text is another.
        words = side_spans(*texts) if all(texts) else ({}, {})
        for place, letter in enumerate(LETTERS):
            note = self.query_one(f"#{self.id}-about-{letter}", TextView)
            view = self.query_one(f"#{self.id}-{letter}", TextView)
            note.display = any(about)
            note.show(about[place])
            view.show(texts[place])
            view.mark_words(words[place])
            (note if any(about) else view).border_title = titles[place]
            view.border_title = "" if any(about) else titles[place]

    def clear(self, titles: Sequence[str] = ("", "")) -> None:
        """Show that there is nothing."""
        self.show((titles[0], titles[1]), ("", ""))
