"""The colour theme: what the settings name, until somebody picks another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.app import App

from tui import theme
from tui.safe import one_line
from tui.stylesheet import KeptStylesheet

if TYPE_CHECKING:
    from textual.theme import Theme

    from tui.memory import Memory

KEY = "theme"  # the picked one, in `tui.memory`


class PickedTheme:
    """Sets an app's theme, and remembers the one that is picked."""

    def __init__(self, app: App[None], memory: Memory, setting: str) -> None:
        """`setting` is the theme of the settings; a picked one holds until the settings change."""
        self._memory, self._setting = memory, setting or theme.NAME
        self.problem = ""  # what is wrong with the name, where something is
        app.register_theme(theme.THEME)
        self._taken = app.theme if "TEXTUAL_THEME" in os.environ else self._named(app)
        # Before the app has styles: a theme that is set later has all of them parsed a second time.
        app.set_reactive(App.theme, self._taken)
        app.stylesheet = KeptStylesheet(variables=app.get_css_variables())

    def _named(self, app: App[None]) -> str:
        """The theme that was picked last, unless the settings have named another since."""
        name, picked = self._setting, self._memory.get(KEY)
        if isinstance(picked, dict) and picked.get("setting") == name:
            name = str(picked.get("picked"))
        if name in app.available_themes:
            return name
        self.problem = f"There is no theme {one_line(name, 40)!r}; press T to pick one."
        return theme.NAME

    def remember(self, now: Theme) -> None:
        """Keep the theme that was picked; the one that the app began with is no pick."""
        if now.name != self._taken:
            self._taken = now.name
            self._memory.put(KEY, {"picked": now.name, "setting": self._setting})
