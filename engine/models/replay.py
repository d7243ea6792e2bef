"""A model that answers from recorded calls, so that a run can be replayed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.events import Event, ModelCallFinished, ModelCallStarted
from engine.models.base import Completion, Delta, ErrorKind, Message, ModelError, Retry, Sampling

_PIECE = 24  # characters per delta
_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)
_SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop")


@dataclass(frozen=True)
class RecordedCall:
    """A recorded model call, by its `call_key`. Where it failed, `error` says how and `completion` is None;
    `error_kind` is that of the ModelError, None where an older version did not record it.
    """

    key: str
    completion: Completion | None
    error: str | None = None
    error_kind: str | None = None


def call_key(messages: Iterable[Mapping[str, Any]], params: Mapping[str, Any]) -> str:
    """The content address of a call, a SHA-256 in hex of its messages and sampling parameters, and
    nothing else.
    """
    contents = [[m["role"], m["content"]] for m in messages]
    sampling = {name: params[name] for name in _SAMPLING if name in params}
    if "stop" in sampling:
        sampling["stop"] = list(sampling["stop"])
    text = json.dumps([contents, sampling], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def recorded_calls(
    events: Iterable[Event], *, role: str | None = None, model: str | None = None
) -> list[RecordedCall]:
    """The finished calls among `events` in the order in which they began; with `role` or `model`, only
    its calls.
    """
    started: dict[str, ModelCallStarted] = {}
    finished: dict[str, ModelCallFinished] = {}
    for event in events:
        if (
            isinstance(event, ModelCallStarted)
            and role in (None, event.role)
            and model in (None, event.model)
        ):
            started[event.call_id] = event
        elif isinstance(event, ModelCallFinished):
            finished[event.call_id] = event
    return [_recorded(start, finished[call]) for call, start in started.items() if call in finished]


def _recorded(start: ModelCallStarted, end: ModelCallFinished) -> RecordedCall:
    key = call_key(start.messages, start.params)
    if end.error is not None:
        return RecordedCall(key, None, end.error, end.error_kind)
    completion = Completion(
        end.text, end.reasoning, end.finish, end.tokens_in, end.tokens_out, end.cost_usd, tuple(end.flags)
    )
    return RecordedCall(key, completion)


class ReplayModel:
    """Answers each call with the next recorded one that has the same messages and sampling."""

    def __init__(self, name: str, recorded: Iterable[RecordedCall]) -> None:
        self.name = name
        self._calls: dict[str, deque[RecordedCall]] = {}
        for call in recorded:
            self._calls.setdefault(call.key, deque()).append(call)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Retry | Completion, None]:
        """Stream the recorded answer, flagged "replayed".

        Raises:
            ModelError: no such call, or no further one, is recorded, or the recorded call failed.
        """
        call = self._next(messages, sampling)
        if call.completion is None:
            kind: ErrorKind = call.error_kind if call.error_kind in _KINDS else "server"
            raise ModelError(kind, call.error or "the recorded call failed")
        completion = call.completion
        texts: tuple[tuple[Literal["reasoning", "text"], str], ...]
        texts = ("reasoning", completion.reasoning), ("text", completion.text)
        for channel, text in texts:
            for start in range(0, len(text), _PIECE):
                yield Delta(channel, text[start : start + _PIECE])
                await asyncio.sleep(0)  # let others run, as a live stream would
        flags = completion.flags if "replayed" in completion.flags else (*completion.flags, "replayed")
        yield Completion(
            completion.text,
            completion.reasoning,
            completion.finish,
            completion.tokens_in,
            completion.tokens_out,
            completion.cost_usd,
            flags,
        )

    def _next(self, messages: Sequence[Message], sampling: Sampling) -> RecordedCall:
        waiting = self._calls.get(call_key(messages, sampling.to_json()))
        if waiting is None:
            last = messages[-1]["content"][:60] if messages else ""
            raise ModelError(
                "not-found",
                f"{self.name}: no recorded call asks {last!r} in this way: "
                "the run was changed before this point, so let a live model answer from here",
            )
        if not waiting:
            raise ModelError(
                "not-found",
                f"{self.name}: this call was made more often than it was recorded: use a live model",
            )
        return waiting.popleft()

    async def aclose(self) -> None:
        """Nothing to release."""
