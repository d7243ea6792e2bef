"""How many containers may work at once."""

from __future__ import annotations

import os

_MEMORY_PER_CONTAINER = 512 << 20


def default_size() -> int:
    """`size_for` this machine."""
    return size_for(os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def size_for(cores: int, memory: int) -> int:
    """How many containers: two per core, as many as half of `memory` (bytes) holds; from 2 to 32."""
    return max(2, min(2 * cores, memory // 2 // _MEMORY_PER_CONTAINER, 32))
