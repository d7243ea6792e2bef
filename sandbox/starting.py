"""Waiting for what starts, for as long as it gets ahead. Its CPU time tells that, and the clock tells little:
on a busy machine, what takes half a second may take minutes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

STILL_S = 30.0  # it is looked at so often
STILL_CPU_S = 0.02  # with less CPU time than this since the last look it stands still
START_CPU_S = 60.0  # what we start needs about one
START_WITHIN_S = 600.0  # in all; nothing else counts where its CPU time is not known, as on another machine


class Start:
    """Something that begins to start. `cpu_s` says how many seconds of CPU time it has used, or None."""

    def __init__(self, cpu_s: Callable[[], float | None]) -> None:
        self._cpu_s = cpu_s
        self._began, self._used_s = time.monotonic(), cpu_s()

    def waited(self) -> str:
        """Look again: how long was waited in vain, in words; "" where it still gets ahead."""
        before_s, self._used_s = self._used_s, self._cpu_s()
        waited_s = time.monotonic() - self._began
        ahead_s = math.inf if self._used_s is None or before_s is None else self._used_s - before_s
        stands_still = ahead_s < STILL_CPU_S or (self._used_s or 0.0) > START_CPU_S
        if not stands_still and waited_s <= START_WITHIN_S:
            return ""
        cpu = "" if self._used_s is None else f", with {self._used_s:.1f} s of CPU time"
        return f"{waited_s:.0f} s{cpu}"
