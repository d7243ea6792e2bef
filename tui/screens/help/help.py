"""The keys that work on the screen below, from the action registry."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.action_scopes import SCOPES, SCREENS, Scope
from tui.actions import actions_on, bindings_for, key_label, keys_of

INDENT = 36


class HelpScreen(ModalScreen[None]):
    """Lists actions by where they work, the screen's own first."""

    CSS_PATH = "help.tcss"
    BINDINGS = bindings_for("dialog")

    def __init__(self, screen: str, keymap: Mapping[str, str]) -> None:
        super().__init__(name="help")
        self._screen, self._keymap = screen, keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "esc closes"
            yield Static(self._text(), markup=False)

    def on_mount(self) -> None:
        self.query_one(".dialog").focus()

    def action_close(self) -> None:
        self.dismiss(None)

    def _text(self) -> Content:
        lines: list[tuple[str, str]] = []
        room = max(min(self.app.size.width * 9 // 10, 100) - 8 - INDENT, 20)
        for scope in _order(self._screen):
            lines.append((f"{SCOPES[scope]}\n", "$primary bold"))
            for action in (a for a in actions_on(self._screen) if a.scope == scope):
                keys = " ".join(key_label(k) for k in keys_of(action, self._keymap))
                lines += [(f"  {keys:<17}", "$text-accent"), (f"{action.title:<17}", "bold")]
                told = f"\n{' ' * INDENT}".join(textwrap.wrap(action.help, room))
                lines.append((f"{told}\n", "$foreground 60%"))
            lines.append(("\n", ""))
        return Content.assemble(*lines[:-1])


def _order(screen: str) -> list[Scope]:
    scopes = SCREENS.get(screen, ("app",))
    return [*(s for s in scopes if s != "app"), "app"]
