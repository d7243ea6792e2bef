"""The place of a model that cannot be opened, in a run that may not need it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling


class MissingModel:
    """Has the model's name; every call fails and says why the model cannot be opened."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Retry | Completion, None]:
        """Raises ModelError, always."""
        raise ModelError("not-found", self._why)
        yield  # makes this an async generator

    async def aclose(self) -> None:
        """Nothing to release."""
