"""Where words to look for in a run are typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Label

from tui.actions import bindings_for

TYPING_SECONDS = 0.15


class SearchBar(Horizontal):
    """One line above the footer; there only while it is used."""

    BINDINGS = bindings_for("dialog")
    DEFAULT_CSS = """
    SearchBar {
        display: none; height: 1; background: $surface; padding: 0 1;
        Label { color: $primary; text-style: bold; width: 2; }
        Input, Input:focus { border: none; height: 1; padding: 0; background: $surface; width: 1fr; }
        #search-help { color: $foreground 60%; width: auto; text-style: none; }
    }
    SearchBar.-open { display: block; }
    """

    class Typed(Message):
        """These words are to be looked for: typing has paused, or was ended."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    class Closed(Message):
        """The bar has gone; what it said last holds."""

    def __init__(self) -> None:
        super().__init__()
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Label("/")
        yield Input(id="search-words", placeholder="words in prompts, responses, code, output")
        yield Label("enter keeps  esc clears", id="search-help")

    def open(self) -> None:
        self.add_class("-open")
        self.screen.set_focus(self.query_one(Input))

    def empty(self) -> None:
        """Take away what it says."""
        with self.prevent(Input.Changed):
            self.query_one(Input).value = ""

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self.has_class("-open"):
            return  # told of only now, when the bar has been closed: what it said then holds
        self._forget_typing()
        self._typing = self.set_timer(TYPING_SECONDS, lambda: self._tell(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(event.value)

    def action_close(self) -> None:
        self.empty()
        self._close("")

    def _close(self, words: str) -> None:
        if self.query_one(Input).has_focus:
            # A hidden field keeps the focus for a while, and clears it later even if another widget has it.
            self.screen.set_focus(None)
        self.remove_class("-open")
        self._tell(words)
        self.post_message(self.Closed())

    def _tell(self, words: str) -> None:
        self._forget_typing()
        self.post_message(self.Typed(words))

    def _forget_typing(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
