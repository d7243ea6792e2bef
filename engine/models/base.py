"""The interface of every model: messages in, a stream of deltas out, a completion last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

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
# Only the call that meets these is at fault; behind all others is an endpoint, a key or a model.
OF_THE_CALL: tuple[ErrorKind, ...] = ("context-length", "refused")


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
    """A model call failed for good, after any retries. The message says what, where and what to do.

    `kind` is for programs. `spent` is the cost of attempts that brought a part of an answer.
    """

    def __init__(self, kind: ErrorKind, message: str, spent: Spent = Spent()) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.spent = spent

    @property
    def is_of_set_up(self) -> bool:
        """Whether an endpoint, a key or a model is at fault, so that any other call may meet the same. It is
        False where only this call is, as its prompt is too long or was refused: a caller may go on then.
        """
        return self.kind not in OF_THE_CALL


@dataclass(frozen=True)
class Sampling:
    """How to sample. None leaves the choice to the model's own default; `max_tokens` limits those of the
    answer, reasoning included, and a text in `stop` ends the answer and is left out of it.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Only what is set, because this goes into traces and content addresses."""
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
    """The last attempt failed for `reason`. The next, number `attempt` (from 2), starts in `wait_s` seconds
    and streams from the beginning, so the deltas so far are void.
    """

    attempt: int
    reason: str
    wait_s: float


@dataclass(frozen=True)
class Share:
    """From here on the call has this `part` of its model: 0 while it waits for others, for a limit of rate to
    pass, or for a training step's rollouts; 1 / n where n calls are decoded together; 1 where nothing else
    was said. What others have of it is not the run's own time (`engine.run.clock`).
    """

    part: float


@dataclass(frozen=True)
class Completion:
    """The whole answer, always the last item of a stream.

    `finish` is the endpoint's own word (`engine.models.finish`), "cut" where the stream broke off, "unsaid"
    where it ended without one. Tokens and cost are those of all attempts; a cost of None is unknown. `flags`:
    "empty" (no text), "only-reasoning" (thinking, and no text), "truncated" (by a limit of tokens, or cut),
    "default-limit" (by the default limit of Transformers models), "repetition" (by one that only repeated
    itself), "unknown-finish" (it may not be whole),
    "estimated-tokens" (the endpoint sent no usage), "replayed" (served from a record).

    `sampled` says how the answer was sampled, with the model's own defaults, where that is known; its keys
    are those of `Sampling`, "top_k", "min_p" and "repetition_penalty". `call_id` is the call's in the run's
    events, set by the gateway.
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


@runtime_checkable
class Loads(Protocol):
    """A model that is read into memory before its first call."""

    @property
    def is_loaded(self) -> bool:
        """Whether a call would begin at once; true also where it could not be loaded, which the call says."""
        ...

    async def load(self) -> bool:
        """Read it into memory, once for all who ask; returns when `is_loaded`, and whether it could be."""
        ...


class ChatModel(Protocol):
    """A model. `name` is what the user typed to choose it and what traces show."""

    name: str

    def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Share | Completion]:
        """Stream one completion, which is the last item. Raises ModelError where there is none."""
        ...

    async def aclose(self) -> None:
        """Release connections, threads and weights."""
        ...
