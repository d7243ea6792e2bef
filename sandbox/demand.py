"""How many containers were wanted at once, lately."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

REMEMBERED_S = 600.0  # the rollouts of one training step and of the next are minutes apart


class HighWater:
    """The highest of the numbers noted in the last `REMEMBERED_S` seconds.

    A number counts as current until another is noted, and is remembered from then on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now = 0
        self._past: deque[tuple[float, int]] = deque()  # (when it was left, number), numbers falling

    def note(self, number: int) -> None:
        """From now on the number is `number`."""
        if number < self._now:
            while self._past and self._past[-1][1] <= self._now:
                self._past.pop()  # a later and higher one hides it
            self._past.append((self._clock(), self._now))
        self._now = number

    @property
    def mark(self) -> int:
        """The high-water mark."""
        oldest = self._clock() - REMEMBERED_S
        while self._past and self._past[0][0] < oldest:
            self._past.popleft()
        return max(self._now, self._past[0][1] if self._past else 0)
