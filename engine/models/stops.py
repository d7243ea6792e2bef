"""Stop strings in a text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Sequence


def held_suffix(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of `marks`."""
    longest = 0
    for mark in marks:
        for size in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:size]):
                longest = size
                break
    return longest


class StopScanner:
    """Passes text on up to the first stop string, which is itself left out.

    Text that may yet turn out to be the beginning of a stop string is held back.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.hit = False

    def feed(self, piece: str) -> str:
        """The text that is certain by now and has not been passed on yet."""
        if not self._stops:
            return piece
        if self.hit:
            return ""
        text = self._held + piece
        positions = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if positions:
            self.hit, self._held = True, ""
            return text[: min(positions)]
        keep = held_suffix(text, self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def close(self) -> str:
        """The text that was held back, now that no more comes."""
        held, self._held = self._held, ""
        return held
