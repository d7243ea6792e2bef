"""The keys that work on the screen below, from the action registry."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.action_scopes import SCOPES, SCREENS, Action, Scope
from tui.actions import actions_on, bindings_for, key_label, keys_of

_KEYS, _TITLE = 18, 18  # a longer one takes from the room of what follows
INDENT = 2 + _KEYS + _TITLE


class HelpScreen(ModalScreen[None]):
    """Lists actions by where they work, the screen's own first."""

    CSS_PATH = "help.tcss"
    BINDINGS = bindings_for("dialog") + bindings_for("help")
    AUTO_FOCUS = "#words"

    def __init__(self, screen: str, keymap: Mapping[str, str]) -> None:
        super().__init__(name="help")
        self._screen, self._keymap = screen, keymap

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "type to narrow, esc closes"
            yield Input(id="words", placeholder="words of what you want to do, or a key", compact=True)
            with VerticalScroll(id="keys", can_focus=False):
                yield Static(self._text(""), id="told", markup=False)

    @on(Input.Changed)
    def _typed(self) -> None:
        self.on_resize()
        self.query_one("#keys").scroll_home(animate=False)

    def on_resize(self) -> None:
        """Wrap the explanations to the room there is now."""
        self.query_one("#told", Static).update(self._text(self.query_one(Input).value))

    def action_down(self) -> None:
        self.query_one("#keys").scroll_relative(y=1, animate=False)

    def action_up(self) -> None:
        self.query_one("#keys").scroll_relative(y=-1, animate=False)

    def action_page_down(self) -> None:
        self.query_one("#keys").scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.query_one("#keys").scroll_page_up(animate=False)

    def action_close(self) -> None:
        """Take away what was typed first."""
        words = self.query_one(Input)
        if words.value:
            words.value = ""
        else:
            self.dismiss(None)

    def _text(self, typed: str) -> Content:
        """The actions that have all of the words in their keys, titles and explanations."""
        words = typed.lower().split()
        lines: list[tuple[str, str]] = []
        room = max(min(self.app.size.width * 9 // 10, 100) - 8 - INDENT, 20)
        for scope in _order(self._screen):
            found = [a for a in actions_on(self._screen) if a.scope == scope and self._has(a, words)]
            if not found:
                continue
            lines.append((f"{SCOPES[scope]}\n", "$primary bold"))
            for action in found:
                keys, title = f"  {self._keys(action)} ".ljust(2 + _KEYS), f"{action.title} "
                title = title.ljust(INDENT - len(keys))
                over = len(keys) + len(title) - INDENT
                told = textwrap.wrap(action.help, room, initial_indent=" " * over)
                told = f"\n{' ' * INDENT}".join(told)[over:]
                lines += [(keys, "$text-accent"), (title, "bold"), (f"{told}\n", "$foreground 60%")]
            lines.append(("\n", ""))
        return Content.assemble(*lines[:-1]) if lines else Content("No key does that here.")

    def _keys(self, action: Action) -> str:
        return " ".join(key_label(k) for k in keys_of(action, self._keymap))

    def _has(self, action: Action, words: Sequence[str]) -> bool:
        text = f"{action.title} {action.help} {action.id}".lower()
        keys = self._keys(action).lower().split()
        return all(word in text or word in keys for word in words)


def _order(screen: str) -> list[Scope]:
    scopes = SCREENS.get(screen, ("app",))
    return [*(s for s in scopes if s != "app"), "app"]
