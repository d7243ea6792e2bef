"""The commands that the palette lists: the actions of the screen with their keys, the last used first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from tui.actions import actions_on, key_label

if TYPE_CHECKING:
    from textual.command import Provider

    from tui.memory import Memory

RECENT = "palette"  # the ids of the actions that were picked last, in `tui.memory`
_MOST = 8


def action_commands() -> type[Provider]:
    """What finds commands in the palette, imported once that opens."""
    from tui.palette_commands import ActionCommands

    return ActionCommands


def commands_on(
    screen: Screen[Any], app: App[None], keymap: Mapping[str, str], memory: Memory
) -> Iterator[SystemCommand]:
    """What can be done here, what was picked last on top; moving about in lists and texts is left out."""
    recent = _recent(memory)
    actions = sorted(
        actions_on(screen.name or "app"),
        key=lambda action: recent.index(action.id) if action.id in recent else _MOST,
    )
    for action in actions:
        if action.scope in ("list", "tree", "text") or action.id == "app.command_palette":
            continue
        keys = keymap.get(action.id, action.key).split(",")
        label = f"{action.help}  ({key_label(keys[0])})"
        target = screen if action.scope != "app" else app
        method = getattr(target, f"action_{action.action}", None)
        if method is not None:
            yield SystemCommand(action.title, label, _noted(memory, action.id, method))


def _recent(memory: Memory) -> list[str]:
    found = memory.get(RECENT)
    return [str(id) for id in found][:_MOST] if isinstance(found, list) else []


def _noted(memory: Memory, id: str, method: Callable[[], Any]) -> Callable[[], Any]:
    """The action, which remembers that it was picked."""

    def picked() -> Any:
        memory.put(RECENT, [id, *(other for other in _recent(memory) if other != id)][:_MOST])
        return method()

    return picked
