"""Waiting by a run's own clock, which stands still while the run does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from engine.run.ledger import Ledger

T = TypeVar("T")


async def within(ledger: Ledger, limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises what `work` raises, and TimeoutError after `limit_s` seconds of the run's
    clock; `work` is cancelled then.
    """
    task = asyncio.ensure_future(work)
    started = ledger.wall_s
    try:
        while (left := limit_s - (ledger.wall_s - started)) > 0:
            done, _ = await asyncio.wait({task}, timeout=left)
            if done:
                return task.result()
        raise TimeoutError(f"it did not end within {limit_s:g} s")
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved: whoever waited may be gone
