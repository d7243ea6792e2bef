"""The one interface every model has: messages in, a stream of deltas out, a completion last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
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


@dataclass(frozen=True)
class Spent:
    """What attempts cost, in tokens and US dollars; a cost of None is unknown."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Spent) -> Spent:
        unknown = self.cost_usd is None or other.cost_usd is None
        return Spent(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            None if unknown else (self.cost_usd or 0.0) + (other.cost_usd or 0.0),
        )


class ModelError(UnavailableError):
    """A model call failed for good (after retries). The message says what, where and what to do.

    `spent` is what attempts cost that brought a part of an answer and no whole one.
    """

    def __init__(self, kind: ErrorKind, message: str, spent: Spent = Spent()) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.spent = spent


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
class Queued:
    """The call waits for others, such as a training step's rollouts: until the next item comes, the time
    is not the run's, and its clock stands still.
    """


@dataclass(frozen=True)
class Completion:
    """The whole answer, always the last item of a stream.

    `finish` is the endpoint's own word (`engine.models.finish`), "cut" where the stream broke off, "unsaid"
    where it ended without one. Tokens and cost are those of all attempts. `flags`: "empty" (no text),
    "only-reasoning" (empty, but for its thinking), "truncated" (at a limit of tokens, or cut),
    "default-limit" (at the limit that models in this process have), "unknown-finish" (whether it is whole
    is not known), "estimated-tokens" (the endpoint sent no usage), "replayed" (served from the store).

    `sampled` is how the answer was sampled, the model's own defaults included, where that is known: of the
    names of `Sampling`, and "top_k". `call_id` is the call's in the run's events.
    """

    text: str
    reasoning: str = ""
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = None
    flags: tuple[str, ...] = field(default=())
    sampled: Mapping[str, Any] = field(default_factory=dict)
    call_id: str | None = None


class ChatModel(Protocol):
    """A model. `name` is what the user typed to choose it and what traces show."""

    name: str

    def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Queued | Completion]:
        """Stream one completion. Raises ModelError when it cannot be had."""
        ...

    async def aclose(self) -> None:
        """Release connections, threads and weights."""
        ...
