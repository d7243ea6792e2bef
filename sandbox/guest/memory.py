"""Memory that requests share: one that takes too much of it ends before the kernel has to choose.

The kernel would end the process that holds most. Where one request spreads over many processes, or holds
memory that is seen in none, as in the buffers of pipes, that could be a neighbour's. So the runner looks at
how full the container is, and where little is left, or much is nowhere to be seen, ends the request whose
processes together hold most.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from . import linux

_CALM_S, _TENSE_S = 0.1, 0.02  # between two looks; filling what is left takes longer than that
_TENSE, _FULL = 0.4, 0.8  # of the container's limit
_FILES = (  # what is used and what may be, for either version of cgroups
    ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
_AGAIN_S = 0.5  # between two looks at all processes where no more is used than at the last one
_MORE = 1 << 20  # bytes: what the kernel's account moves by though nobody takes any
_LITTLE = 64 << 20  # bytes: whoever holds no more is not to blame
_HIDDEN = 96 << 20  # bytes that are in no process, file or cache: more than that is somebody's doing
_CACHE = re.compile(rb"^(?:in)?active_file (\d+)", re.MULTILINE)
_FILED = re.compile(rb"^shmem (\d+)", re.MULTILINE)
_HELD = re.compile(rb"^Uid:\s+(\d+).*?^VmRSS:\s+(\d+)", re.MULTILINE | re.DOTALL)


class Watch:
    """How full the container is, and who fills it. Sees nothing where the kernel keeps no account."""

    def __init__(self) -> None:
        self._used = self._stat = ""
        self._limit = 0
        for used, limit, stat in _FILES:
            if (most := linux.read(limit).strip()).isdigit():
                self._used, self._stat, self._limit = used, stat, int(most)
        self._next = self._again = 0.0
        self._least = 0  # bytes used, since the last look at all processes, which found nothing

    def greediest(self, now: float, limits: dict[int, int]) -> int | None:
        """The uid whose request should end, if one should. `limits`: bytes allowed, by uid.

        Cheap: mostly it is not time to look yet, or there is plenty left, or no more is used than before.
        Sessions that only wait, however many, must not take a core with what is looked at.
        """
        if not self._limit or now < self._next:
            return None
        used = int(linux.read(self._used) or b"0")
        self._next = now + (_CALM_S if used < _TENSE * self._limit else _TENSE_S)
        self._least = min(self._least, used)
        if used < _TENSE * self._limit or (used <= self._least + _MORE and now < self._again):
            return None
        self._again, self._least = now + _AGAIN_S, used
        sizes = _sizes(limits)
        held = {uid: sum(each) for uid, each in sizes.items()}
        over = [uid for uid, size in held.items() if size > limits[uid]]
        if not over and self._nearly_gone([size for each in sizes.values() for size in each]):
            over = [uid for uid, size in held.items() if size > _LITTLE]
        if not over:
            return None
        self._next = self._again = now + _CALM_S  # until what it held is given back
        return max(over, key=lambda uid: held[uid])

    def patience_s(self, now: float) -> float:
        """Until the next look."""
        return max(self._next - now, 0.0) if self._limit else _CALM_S * 5

    def _nearly_gone(self, sizes: list[int]) -> bool:
        """Whether little is left, or much has gone where no process shows it. `sizes` of processes."""
        stat = linux.read(self._stat)
        # The kernel keeps a cache only as long as there is room for it.
        used = int(linux.read(self._used) or b"0") - sum(int(size) for size in _CACHE.findall(stat))
        filed = sum(int(size) for size in _FILED.findall(stat))
        # What all have of the zygote is there once; the smallest has little else.
        seen = sum(sizes) - min(sizes, default=0) * (len(sizes) - 1)
        return used > _FULL * self._limit or used - filed - seen > _HIDDEN


def _sizes(uids: Collection[int]) -> dict[int, list[int]]:
    """Bytes that each process of each uid holds, what it shares with others included."""
    sizes: dict[int, list[int]] = {uid: [] for uid in uids}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _HELD.search(linux.read(f"/proc/{name}/status"))):
            uid = int(found[1])
            if uid in sizes:
                sizes[uid].append(int(found[2]) << 10)
    return sizes
