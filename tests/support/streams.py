"""Reading the stream of a model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from engine.models.base import Delta


async def begun(stream: AsyncIterator[Any]) -> None:
    """Read until the answer has begun."""
    while not isinstance(await anext(stream), Delta):
        pass
