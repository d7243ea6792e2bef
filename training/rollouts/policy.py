"""The policy as the engine sees it: a model like any other, whose calls are kept token by token.

A call waits at a `Source` for its tokens: a `Desk`, where a trainer in another thread collects what all
rollouts ask and answers it in batches, or a server that answers each call by itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.models.base import Completion, Message, Sampling, Share
from engine.models.local.chat import Chat, completion_of
from engine.models.local.text import TextStream
from training.rollouts.generators import Generated


class Source(Protocol):
    """Completes one prompt given as tokens."""

    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        """The completion of the token ids `prompt`. Raises ModelError where there is none to be had."""
        ...


@dataclass(frozen=True)
class Asked:
    """One call as it was made."""

    prompt: list[int]
    generated: Generated
    thought: bool


class PolicyModel:
    """The meta-agent of one rollout (`engine.models.base.ChatModel`).

    `calls` are in the order in which they began, None while one is under way and where it was given up.
    """

    def __init__(self, name: str, chat: Chat, source: Source) -> None:
        self.name = name
        self.source = source
        self.calls: list[Asked | None] = []
        self._chat = chat

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Share | Completion]:
        """One completion, whole. Raises ModelError where the source cannot give it."""
        number = len(self.calls)
        self.calls.append(None)
        prompt, thinking = self._chat.prompt(messages)
        yield Share(0)
        generated = await self.source.ask(prompt, sampling)
        text = TextStream(self._chat.decode, sampling.stop, thinking=thinking)
        text.feed_all(generated.ids)
        text.close()
        self.calls[number] = Asked(prompt, generated, bool(text.reasoning.strip()))
        sampled: dict[str, Any] = {**sampling.to_json(), "temperature": generated.temperature}
        if generated.version is not None:
            sampled["weights_step"] = generated.version
        yield completion_of(text, generated.finish, len(prompt), len(generated.ids), sampled)

    async def aclose(self) -> None:
        """Nothing to release: the tokens come from elsewhere."""


@dataclass(eq=False)
class Ask:
    """A call that waits at the desk, with the event loop in which its rollout runs."""

    prompt: list[int]
    sampling: Sampling
    future: asyncio.Future[Generated]
    loop: asyncio.AbstractEventLoop


class Desk:
    """Where calls wait for the trainer's thread.

    `next_batch` is given out when every lane of rollouts stands here, so that a batch is as large as it can
    be; lanes enter and leave as rollouts begin and end.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asks: list[Ask] = []
        self._lanes = 0
        self._is_open = False

    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        """As `Source.ask`: stand here until the trainer answers."""
        loop = asyncio.get_running_loop()
        ask = Ask(prompt, sampling, loop.create_future(), loop)
        with self._changed:
            self._asks.append(ask)
            self._changed.notify_all()
        try:
            return await ask.future
        finally:
            with self._changed:
                if ask in self._asks:  # cancelled before anyone took it
                    self._asks.remove(ask)

    def enter(self, lanes: int) -> None:
        """So many lanes of rollouts are about to begin."""
        with self._changed:
            self._lanes += lanes
            self._is_open = True
            self._changed.notify_all()

    def leave(self) -> None:
        """One lane has no rollout left."""
        with self._changed:
            self._lanes -= 1
            self._changed.notify_all()

    def next_batch(self) -> list[Ask]:
        """For the trainer's thread: all waiting calls, once every rollout only waits.

        Blocks until then, and until the first rollout has begun; empty once the last has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_open and len(self._asks) >= self._lanes)
            asks, self._asks = self._asks, []
            if not asks:
                self._is_open = False
            return asks

    def answer(self, asks: Sequence[Ask], generated: Sequence[Generated]) -> None:
        """For the trainer's thread: the answers to what `next_batch` returned, in order."""
        for ask, one in zip(asks, generated, strict=True):
            ask.loop.call_soon_threadsafe(_set, ask.future, one)

    def fail(self, asks: Sequence[Ask], error: Exception) -> None:
        """For the trainer's thread: these calls cannot be answered; `error` is raised in their rollouts."""
        for ask in asks:
            ask.loop.call_soon_threadsafe(_set_error, ask.future, error)


def _set(future: asyncio.Future[Generated], generated: Generated) -> None:
    if not future.done():
        future.set_result(generated)


def _set_error(future: asyncio.Future[Generated], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
