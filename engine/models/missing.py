"""A model that is not there, in a run that may do without it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling


class MissingModel:
    """Goes by the name; a call says why it cannot be had."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Retry | Completion, None]:
        """Raises ModelError."""
        raise ModelError("not-found", self._why)
        yield  # what makes it a stream

    async def aclose(self) -> None:
        """Nothing to release."""
