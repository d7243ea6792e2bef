"""Journals: a search does each of its steps once, however often it is interrupted.

A search is written as if it were never interrupted. Whatever it must not do twice (a model call, a random
draw that depends on one) it does through `once`; when it is resumed, it runs from the beginning and gets the
recorded values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Journal(Protocol):
    """The record of a search. Values are JSON-ready; a key names one step, such as "round-3/proposal"."""

    async def once(self, key: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The value recorded under `key`; where there is none, that of `make`, which is recorded before it is
        returned. Where `make` raises, so does this, and nothing is recorded.
        """
        ...
