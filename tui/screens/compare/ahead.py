"""Getting ready for a comparison while nobody waits for one: its imports take a quarter of a second, and
reading what is compared as long for each 50,000 trials.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.screens.base import WorkbenchScreen

_NEEDED = ("numpy", "store.compare.comparison", "tui.screens.compare.compare")


def get_ready(screen: WorkbenchScreen[Any], names: Sequence[str] = ()) -> None:
    """Import in a thread what is a key away from `screen`, and read the sides that `names` stand for."""
    needed = [name for name in _NEEDED if name not in sys.modules]

    async def prepare() -> None:
        for name in needed:
            await asyncio.to_thread(import_module, name)
        if names:
            await screen.navigation.records.read_ahead(names)

    if needed or names:
        screen.run_worker(prepare, group="ahead")
