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
    """Sets an app's theme, and remembers the one that is picked."""

    def __init__(self, app: App[None], memory: Memory, setting: str) -> None:
        """`setting` is the theme of the settings; a picked one holds until the settings change."""
        self._app, self._memory, self._setting = app, memory, setting
        self._taken = app.theme

    def take(self) -> None:
        """Set the theme that was picked last, unless the settings have named another since."""
        name, picked = self._setting, self._memory.get(KEY)
        if isinstance(picked, dict) and picked.get("setting") == name:
            name = str(picked.get("picked"))
        is_available = name in self._app.available_themes
        self._app.theme = self._taken = name if is_available else theme.NAME
        if not is_available:
            message = f"There is no theme {one_line(name, 40)!r}; press T to pick one."
            self._app.notify(message, severity="warning")

    def remember(self, now: Theme) -> None:
        """Keep the theme that was picked; a change by `take` is not a pick."""
        if now.name != self._taken:
            self._taken = now.name
            self._memory.put(KEY, {"picked": now.name, "setting": self._setting})
