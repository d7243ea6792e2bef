"""Getting ready for a comparison while nobody waits for one: its imports take a quarter of a second."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.screens.base import WorkbenchScreen

_NEEDED = ("numpy", "store.compare.comparison", "tui.screens.compare.compare")


def get_ready(screen: WorkbenchScreen[Any]) -> None:
    """Import in a thread what is a key away from `screen`."""
    needed = [name for name in _NEEDED if name not in sys.modules]

    async def import_ahead() -> None:
        for name in needed:
            await asyncio.to_thread(import_module, name)

    if needed:
        screen.run_worker(import_ahead, group="ahead")
