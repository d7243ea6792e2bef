"""The line at the bottom: the keys that work now, as many as fit."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from textual import events
from textual.app import RenderResult
from textual.binding import ActiveBinding
from textual.content import Content
from textual.keys import REPLACED_KEYS, key_to_character
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import ACTIONS

_ELLIPSIS = " …"
_ORDER = {action.id: number for number, action in enumerate(ACTIONS) if action.scope == "app"}
_ALWAYS = ("help", "quit")  # there, whatever else there is no room for


class _Key(NamedTuple):
    """A key's place on the line, from column `start` to before `end`."""

    start: int
    end: int
    binding: ActiveBinding


@runtime_checkable
class KnowsWhatItCan(Protocol):
    """A screen that knows which of its actions could do something now."""

    def can_act(self, action: str) -> bool: ...


class Footer(Widget):
    """The active bindings that are meant to be shown, clickable, on one line: on the left the screen's, on
    the right those that work everywhere, of which help and quit are never left out.

    Textual's own footer is a widget a key, each styled and laid out by itself: a sixth of the time to the
    first paint. It also cuts the last key in two where the line is too short.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $surface; color: $foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._bindings: dict[str, ActiveBinding] = {}
        self._keys: list[_Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def _bindings_updated(self, screen: Screen[Any]) -> None:
        if not screen.app.app_focus or screen is not self.screen:
            return
        self._bindings = {}
        for active in screen.active_bindings.values():
            if active.binding.show and _can_act(active) and not _is_typed(active, screen.focused):
                # One that has several keys is shown with its first.
                self._bindings.setdefault(active.binding.action, active)
        self.refresh()

    def render(self) -> RenderResult:
        left = [b for b in self._bindings.values() if not _is_everywhere(b)]
        everywhere = [b for b in self._bindings.values() if _is_everywhere(b)]
        texts = [self._text(b) for b in left]
        room = self.size.width - sum(text.cell_length for text in texts)
        right: list[ActiveBinding] = []
        # The most needed first, as far as they fit beside the screen's own keys.
        for binding in sorted(everywhere, key=lambda b: b.binding.action not in _ALWAYS):
            room -= self._text(binding).cell_length
            if room >= 0 or binding.binding.action in _ALWAYS:
                right.append(binding)
        right.sort(key=lambda b: _ORDER[b.binding.id or ""])
        ends = [self._text(b) for b in right]
        room = self.size.width - sum(text.cell_length for text in ends)
        fitting = _fitting([text.cell_length for text in texts], room)
        parts = texts[:fitting]
        if fitting < len(texts):
            parts.append(Content.styled(_ELLIPSIS, "$foreground 60%"))
        used = sum(part.cell_length for part in parts)
        parts.append(Content(" " * max(room - used, 0)))
        self._keys = _placed(left[:fitting], texts, 0) + _placed(right, ends, max(room, used))
        return Content.assemble(*parts, *ends)

    def _text(self, active: ActiveBinding) -> Content:
        dim = "" if active.enabled else " dim"
        return Content.assemble(
            (f" {self.app.get_key_display(active.binding)} ", f"bold $footer-key-foreground{dim}"),
            (f"{active.binding.description} ", f"$footer-description-foreground{dim}"),
        )

    def _at(self, x: int) -> ActiveBinding | None:
        return next((key.binding for key in self._keys if key.start <= x < key.end), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        active = self._at(event.x)
        self.tooltip = (active.tooltip or active.binding.description) if active else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if (active := self._at(event.x)) is None:
            return
        if active.enabled:
            self.app.simulate_key(active.binding.key)
        else:
            self.app.bell()


def _can_act(active: ActiveBinding) -> bool:
    node = active.node
    return not isinstance(node, KnowsWhatItCan) or node.can_act(active.binding.action)


def _is_typed(active: ActiveBinding, focused: Widget | None) -> bool:
    """Whether the key is a character for the field in focus. Textual takes these out of the active bindings
    itself, except keys that it has renamed (`/`, `+`, `-`) or that the user's keymap gives.
    """
    if focused is None or focused is active.node:
        return False
    key = active.binding.key
    return focused.check_consume_key(key, key_to_character(REPLACED_KEYS.get(key, key)))


def _is_everywhere(active: ActiveBinding) -> bool:
    return active.binding.id in _ORDER


def _fitting(widths: list[int], room: int) -> int:
    """How many of the keys fit, with the ellipsis where it is not all of them."""
    if sum(widths) <= room:
        return len(widths)
    room -= len(_ELLIPSIS)
    count = 0
    while (room := room - widths[count]) >= 0:
        count += 1
    return count


def _placed(bindings: list[ActiveBinding], texts: list[Content], start: int) -> list[_Key]:
    keys = []
    for binding, text in zip(bindings, texts, strict=False):
        keys.append(_Key(start, start + text.cell_length, binding))
        start += text.cell_length
    return keys
