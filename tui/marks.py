"""Marked rows: which are to be compared, in the order they were marked."""

from __future__ import annotations

from store.compare import FEWEST, MOST


class Marks:
    """Two to four keys of rows; the first is the baseline."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def toggle(self, key: str) -> str:
        """Mark the row, or unmark it. Returns a sentence where it cannot be marked, else ""."""
        if key in self.keys:
            self.keys.remove(key)
        elif len(self.keys) == MOST:
            return f"At most {MOST} can be compared; press space on a marked one to unmark it."
        else:
            self.keys.append(key)
        return ""

    @property
    def problem(self) -> str:
        """Why the marked rows cannot be compared yet, else ""."""
        return "" if len(self.keys) >= FEWEST else "First mark two to four rows with space."

    @property
    def told(self) -> str:
        """How many rows are marked, for a border; "" for none."""
        return f"{len(self.keys)} marked, A is the baseline" if self.keys else ""
