"""An endpoint's model wired to a scripted server, without waiting."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from engine.config import Endpoint
from engine.models.base import Completion, Delta, Message, Retry, Sampling
from engine.models.endpoint import EndpointModel
from tests.support.openai_server import Handler, OpenAIServer

ASK: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
KEY = "sk-very-secret"


class Bench:
    """A model wired to a scripted server; waits are noted, not waited."""

    def __init__(self, server: OpenAIServer) -> None:
        self.server = server
        self.waits: list[float] = []
        self.model: EndpointModel

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def make(self, model: str = "m", **endpoint: Any) -> EndpointModel:
        values: dict[str, Any] = {
            "base_url": self.server.url,
            "api_key": KEY,
            "api_key_env": "BENCH_KEY",
        } | endpoint
        self.model = EndpointModel(
            f"bench/{model}", model, "bench", Endpoint(**values), sleep=self._sleep, rng=random.Random(1)
        )
        return self.model

    async def ask(self, sampling: Sampling | None = None) -> tuple[list[Delta | Retry], Completion]:
        """What is shown of the answer, and the answer."""
        items = [item async for item in self.model.stream(ASK, sampling or Sampling())]
        assert isinstance(items[-1], Completion)
        return [i for i in items if isinstance(i, Delta | Retry)], items[-1]


@asynccontextmanager
async def bench(handler: Handler, model: str = "m", **endpoint: Any) -> AsyncGenerator[Bench, None]:
    async with OpenAIServer(handler) as server:
        made = Bench(server)
        made.make(model, **endpoint)
        try:
            yield made
        finally:
            await made.model.aclose()
