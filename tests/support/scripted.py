"""A model that answers from a script, where the model is not what is being tested."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from engine.models.base import Completion, Delta, Message, Retry, Sampling, Share

Answer = Callable[[Sequence[Message], Sampling], str | Exception]


class ScriptedModel:
    """Streams whatever `answer` returns for the messages; raises what it returns as an exception."""

    def __init__(self, name: str, answer: Answer | str) -> None:
        self.name = name
        self._answer: Answer = (lambda *_: answer) if isinstance(answer, str) else answer
        self.calls: list[list[Message]] = []
        self.seeds: list[int | None] = []

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Share | Completion]:
        self.calls.append(list(messages))
        self.seeds.append(sampling.seed)
        text = self._answer(messages, sampling)
        if isinstance(text, Exception):
            raise text
        for start in range(0, len(text), 16):
            yield Delta("text", text[start : start + 16])
        tokens_in = sum(len(m["content"].split()) for m in messages)
        yield Completion(text, tokens_in=tokens_in, tokens_out=len(text.split()), cost_usd=0.0)

    async def aclose(self) -> None:
        """Nothing to release."""
