"""A line of names of which one is active; those with nothing behind them are dim."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class TabStrip(Widget):
    """Names on one line, clickable. It takes no focus: keys of the screen move it."""

    DEFAULT_CSS = """
    TabStrip { height: 1; width: 1fr; padding: 0 1; color: $foreground; }
    """
    active: reactive[str] = reactive("")
    filled: reactive[frozenset[str]] = reactive(frozenset())

    class Picked(Message):
        """A name was clicked, or stepped to."""

        def __init__(self, strip: TabStrip, name: str) -> None:
            super().__init__()
            self.strip, self.name = strip, name

        @property
        def control(self) -> TabStrip:
            return self.strip

    def __init__(self, names: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.names = tuple(names)
        self.set_reactive(TabStrip.active, self.names[0])
        self.set_reactive(TabStrip.filled, frozenset(names))

    def rename(self, names: Sequence[str]) -> None:
        """Have these names in place of the ones before, all of them filled."""
        self.names = tuple(names)
        self.filled = frozenset(names)
        self.refresh()

    def fill(self, names: Collection[str]) -> None:
        """Say which names have something behind them."""
        self.filled = frozenset(names)

    def beside(self, by: int) -> str:
        """The next filled name in either direction from the active one; that one where there is no other.

        Make it active at once: of two steps in one burst, the second begins where the first has led.
        """
        candidates = [n for n in self.names if n in self.filled or n == self.active] or [self.active]
        at = candidates.index(self.active) if self.active in candidates else 0
        return candidates[(at + by) % len(candidates)]

    @property
    def _gap(self) -> int:
        """How many cells lie between two names: one where they have no room otherwise."""
        wanted = sum(len(name) + 2 for name in self.names) - 2
        return 2 if wanted <= self.content_size.width else 1

    def render(self) -> RenderResult:
        parts: list[Content | tuple[str, str]] = []
        for number, name in enumerate(self.names):
            if number:
                parts.append((" " * self._gap, ""))
            if name == self.active:
                parts.append((name, "$primary bold underline"))
            else:
                parts.append((name, "$foreground 60%" if name in self.filled else "$foreground 35%"))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        x = 0
        for name in self.names:
            if inside is not None and x <= inside.x < x + len(name):
                self.post_message(self.Picked(self, name))
            x += len(name) + self._gap
