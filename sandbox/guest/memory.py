"""Memory that requests share: one that takes too much of it ends before the kernel has to choose.

The kernel would end the process that holds most. Where one request spreads over many processes, or holds
memory that is seen in none, as in the buffers of pipes, that could be a neighbour's. So the runner looks at
how full the container is, and ends the request whose processes together hold most.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection

from . import linux

_CALM_S, _TENSE_S = 0.2, 0.02  # between two looks; filling what is left takes longer than that
_TENSE, _FULL = 0.4, 0.8  # of the container's limit
_FILES = (  # what is used and what may be, for either version of cgroups
    ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
_CACHE = re.compile(rb"^(?:in)?active_file (\d+)", re.MULTILINE)
_HELD = re.compile(rb"^Uid:\s+(\d+).*?^VmRSS:\s+(\d+)", re.MULTILINE | re.DOTALL)


class Watch:
    """How full the container is, and who fills it. Sees nothing where the kernel keeps no account."""

    def __init__(self) -> None:
        self._used = self._stat = ""
        self._limit = 0
        for used, limit, stat in _FILES:
            if (most := linux.read(limit).strip()).isdigit():
                self._used, self._stat, self._limit = used, stat, int(most)
        self._next = 0.0

    def greediest(self, now: float, limits: dict[int, int]) -> int | None:
        """The uid whose request should end, if one should. `limits`: bytes allowed, by uid.

        Cheap: mostly it is not time to look yet, or there is plenty left.
        """
        if not self._limit or now < self._next:
            return None
        share = int(linux.read(self._used) or b"0") / self._limit
        self._next = now + (_CALM_S if share < _TENSE else _TENSE_S)
        if share < _TENSE:
            return None
        held = _held_by(limits)
        over = [uid for uid, size in held.items() if size > limits[uid]]
        if not over and self._share_in_use() > _FULL:
            over = list(held)
        return max(over, key=lambda uid: held[uid], default=None)

    def patience_s(self, now: float) -> float:
        """Until the next look."""
        return max(self._next - now, 0.0) if self._limit else _CALM_S * 5

    def _share_in_use(self) -> float:
        """Without what the kernel only keeps because there is room for it."""
        cache = sum(int(size) for size in _CACHE.findall(linux.read(self._stat)))
        return (int(linux.read(self._used) or b"0") - cache) / self._limit


def _held_by(uids: Collection[int]) -> Counter[int]:
    """Bytes that the processes of each uid hold, what they share with each other counted for each."""
    held: Counter[int] = Counter()
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _HELD.search(linux.read(f"/proc/{name}/status"))):
            uid = int(found[1])
            if uid in uids:
                held[uid] += int(found[2]) << 10
    return held
