"""The one interface every model has: messages in, a stream of deltas out, a completion last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from sandbox.errors import UnavailableError

ErrorKind = Literal[
    "auth",
    "not-found",
    "rate-limit",
    "timeout",
    "connection",
    "server",
    "bad-response",
    "context-length",
    "refused",
]


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class ModelError(UnavailableError):
    """A model call failed for good (after retries). The message says what, where and what to do."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind


@dataclass(frozen=True)
class Sampling:
    """How to sample. None leaves the choice to the model's own default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Only what is set: this goes into traces and content addresses."""
        values = {k: getattr(self, k) for k in ("temperature", "top_p", "max_tokens", "seed")}
        return {k: v for k, v in values.items() if v is not None} | (
            {"stop": list(self.stop)} if self.stop else {}
        )


@dataclass(frozen=True)
class Delta:
    """A piece of the answer; `channel` tells thinking from text."""

    channel: Literal["reasoning", "text"]
    text: str


@dataclass(frozen=True)
class Retry:
    """The last attempt failed for `reason`; the next, number `attempt` (from 2), starts in `wait_s`
    seconds and streams from the beginning: what was streamed so far is void.
    """

    attempt: int
    reason: str
    wait_s: float


@dataclass(frozen=True)
class Completion:
    """The whole answer, always the last item of a stream.

    `flags`: "empty" (no text), "truncated" (finish is "length" or the stream was cut),
    "estimated-tokens" (the endpoint sent no usage), "replayed" (served from the store).
    """

    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    flags: tuple[str, ...] = field(default=())


class ChatModel(Protocol):
    """A model. `name` is what the user typed to choose it and what traces show."""

    name: str

    def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Completion]:
        """Stream one completion. Raises ModelError when it cannot be had."""
        ...

    async def aclose(self) -> None:
        """Release connections, threads and weights."""
        ...
