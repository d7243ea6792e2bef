"""Completing the last of several names on one line."""

from __future__ import annotations

from textual.suggester import SuggestFromList


class LastName(SuggestFromList):
    """Completes the last of several names."""

    async def get_suggestion(self, value: str) -> str | None:
        before, comma, last = value.rpartition(",")
        stripped = last.lstrip()
        found = await super().get_suggestion(stripped) if stripped else None
        return None if found is None else f"{before}{comma}{last[: len(last) - len(stripped)]}{found}"
