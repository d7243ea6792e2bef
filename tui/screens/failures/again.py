"""Failed runs started again, as new runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tui.format import plural
from tui.safe import one_line

if TYPE_CHECKING:
    from tui.screens.base import WorkbenchScreen


async def start_again(screen: WorkbenchScreen[Any], run_ids: Sequence[str]) -> None:
    """Start the runs again in the background, and tell how many have begun and why others cannot."""
    from engine.problems import ProblemError
    from store.errors import StoreError
    from tui.service.asked.again import rerun_request

    path = screen.navigation.workbench.store_path
    begun = 0
    for run_id in run_ids:
        try:
            request = await asyncio.to_thread(rerun_request, path, run_id)
        except (StoreError, ProblemError) as error:
            screen.notify(one_line(str(error), 300), severity="error")
            continue
        screen.navigation.start_run(request, show=False)
        begun += 1
    if begun:
        screen.notify(f"{plural(begun, 'run')} started again; 1 lists them.")
