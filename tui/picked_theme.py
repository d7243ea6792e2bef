"""The colour theme: what the settings name, until somebody picks another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import theme
from tui.safe import one_line

if TYPE_CHECKING:
    from textual.app import App
    from textual.theme import Theme

    from tui.memory import Memory

KEY = "theme"  # the picked one, in `tui.memory`


class PickedTheme:
    """Gives an app its theme, and remembers the one that is picked."""

    def __init__(self, app: App[None], memory: Memory, setting: str) -> None:
        """`setting` is the settings' theme; picking another holds until the settings change."""
        self._app, self._memory, self._setting = app, memory, setting
        self._taken = app.theme

    def take(self) -> None:
        """The theme that was picked last, unless the settings name another since."""
        wanted, picked = self._setting, self._memory.get(KEY)
        if isinstance(picked, dict) and picked.get("setting") == wanted:
            wanted = str(picked.get("picked"))
        there = wanted in self._app.available_themes
        self._app.theme = self._taken = wanted if there else theme.NAME
        if not there:
            told = f"There is no theme {one_line(wanted, 40)!r}; press T to pick one."
            self._app.notify(told, severity="warning")

    def remember(self, now: Theme) -> None:
        """Keep what was picked; a change of our own is none."""
        if now.name != self._taken:
            self._taken = now.name
            self._memory.put(KEY, {"picked": now.name, "setting": self._setting})
