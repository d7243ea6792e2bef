"""Labels for failures that have none yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tui.safe import one_line

if TYPE_CHECKING:
    from tui.screens.base import WorkbenchScreen

_AT_ONCE = 100


async def label_old(screen: WorkbenchScreen[Any], labelled: Callable[[], None]) -> None:
    """Label what an older version recorded, or an import brought, the newest first; tell after some."""
    from store.annotations import classify_runs
    from store.errors import StoreError

    navigation = screen.navigation
    path = navigation.workbench.store_path
    try:
        waiting = await navigation.records.read(lambda r: r.annotations.unclassified())
        for start in range(0, len(waiting), _AT_ONCE):
            some = waiting[start : start + _AT_ONCE]
            await asyncio.to_thread(lambda some=some: deque(classify_runs(path, some), maxlen=0))
            labelled()
    except StoreError as error:
        screen.notify(one_line(str(error), 300), severity="warning")
