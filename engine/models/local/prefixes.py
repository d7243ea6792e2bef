"""What has been computed of prompts, for prompts that begin as they do.

The candidates of a query, the repeats of a workflow and the rounds of a search share the beginning of their
prompts, which is then read once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.models.local.cache import RoomyCache, Rows

LEAST = 64  # tokens: to compute fewer costs no more than to copy them
# Many conversations at once need much: each goes on only after all others have had their turn.
_FEWEST_BYTES, _MOST_BYTES = 256 << 20, 2 << 30
_SHARE = 4  # what is kept may take this part of the memory that would be left without it


@dataclass(frozen=True, eq=False)
class Kept:
    """A prompt and its keys and values, a cache of one row."""

    tokens: np.ndarray
    cache: RoomyCache


class Prefixes:
    """The prompts that were used last, as many as there is memory for. `memory_left` says how many bytes are
    left.
    """

    def __init__(self, memory_left: Callable[[], float]) -> None:
        self._kept: list[Kept] = []  # that used last is at the end
        self._memory_left = memory_left

    def longest(self, prompt: np.ndarray) -> tuple[Kept | None, int]:
        """The kept prompt that shares most with `prompt`, and how many tokens: at least `LEAST`, and never
        all, because the last token is computed for what comes after it; (None, 0) where none does.
        """
        best, most = None, LEAST - 1
        for kept in self._kept:
            length = min(common(kept.tokens, prompt), len(prompt) - 1)
            if length > most:
                best, most = kept, length
        if best is None:
            return None, 0
        self._kept.remove(best)
        self._kept.append(best)
        return best, most

    def keep(self, prompt: np.ndarray, cache: RoomyCache, row: int, start: int) -> None:
        """Keep a copy of a prompt's part of `cache`: the columns of `row` from `start` on.

        What is the beginning of this prompt, or of which it is the beginning, gives way to it.
        """
        if len(prompt) < LEAST:
            return
        self._kept = [k for k in self._kept if common(k.tokens, prompt) < min(len(k.tokens), len(prompt))]
        self._kept.append(Kept(prompt, Rows(cache, row, start, len(prompt)).copied()))
        held = sum(kept.cache.nbytes for kept in self._kept)
        most = max(_FEWEST_BYTES, min(_MOST_BYTES, (held + self._memory_left()) / _SHARE))
        while len(self._kept) > 1 and held > most:
            held -= self._kept.pop(0).cache.nbytes


def common(one: np.ndarray, other: np.ndarray) -> int:
    """How many tokens two prompts have in common at their beginning."""
    length = min(len(one), len(other))
    differ = one[:length] != other[:length]
    return int(differ.argmax()) if differ.any() else length
