"""How many containers may work at once."""

from __future__ import annotations

import os

_MEMORY_PER_CONTAINER = 512 << 20


def default_size() -> int:
    """For this machine: see `size_for`."""
    return size_for(os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def size_for(cores: int, memory: int) -> int:
    """Two containers a core, and no more than half of the memory could hold."""
    return max(2, min(2 * cores, memory // 2 // _MEMORY_PER_CONTAINER, 32))
