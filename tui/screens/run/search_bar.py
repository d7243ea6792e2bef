"""Where words to look for in a run are typed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from tui.actions import bindings_for


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

    class Cleared(Message):
        """The search was given up."""

    def compose(self) -> ComposeResult:
        yield Label("/")
        yield Input(id="search-words", placeholder="words in prompts, responses, code, output")
        yield Label("enter keeps  esc clears", id="search-help")

    def open(self) -> None:
        self.add_class("-open")
        self.query_one(Input).focus()

    def close(self) -> None:
        self.remove_class("-open")

    def action_close(self) -> None:
        with self.prevent(Input.Changed):
            self.query_one(Input).value = ""
        self.close()
        self.post_message(self.Cleared())
