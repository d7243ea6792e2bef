"""The commands that the palette lists: the actions of the screen, with their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from tui.actions import actions_on, key_label


def commands_on(screen: Screen[Any], app: App[None], keymap: Mapping[str, str]) -> Iterator[SystemCommand]:
    """The commands of this screen, except those that move about in lists and texts."""
    for action in actions_on(screen.name or "app"):
        if action.scope in ("list", "tree", "text") or action.id == "app.command_palette":
            continue
        keys = keymap.get(action.id, action.key).split(",")
        label = f"{action.help}  ({key_label(keys[0])})"
        target = screen if action.scope != "app" else app
        method = getattr(target, f"action_{action.action}", None)
        if method is not None:
            yield SystemCommand(action.title, label, method)
