"""What the palette finds: the commands of the screen in their order, by their titles and explanations.

Textual's own provider sorts by name and looks at titles only.
"""

from __future__ import annotations

from textual.command import DiscoveryHit, Hit, Hits, Provider


class ActionCommands(Provider):
    """The commands of `App.get_system_commands`."""

    async def discover(self) -> Hits:
        for title, told, callback, is_listed in self.app.get_system_commands(self.screen):
            if is_listed:
                yield DiscoveryHit(title, callback, help=told)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, told, callback, _ in self.app.get_system_commands(self.screen):
            # A title that matches counts for more than an explanation that does.
            score = max(matcher.match(title), matcher.match(told) / 2)
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, text=title, help=told)
