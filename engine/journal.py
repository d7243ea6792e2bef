"""Journals: a search does each of its steps once, however often it is interrupted.

A search is written as if it never stopped. Whatever it must not do twice (a model call, a random draw
that depends on one) it does through `once`; resumed, it runs from the top and is given what it had.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Journal(Protocol):
    """What a search has done. Values are JSON; a key names one step, such as "round-3/proposal"."""

    async def once(self, key: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The value recorded under `key`; where there is none, `make`'s, recorded before it is returned.

        An error of `make` is raised and nothing is recorded.
        """
        ...
