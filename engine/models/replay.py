"""A model that answers from what was recorded, so that a run can be lived through again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.events import Event, ModelCallFinished, ModelCallStarted
from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling

_PIECE = 24  # characters a delta
_SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop")


@dataclass(frozen=True)
class RecordedCall:
    """A model call that happened. `error` is what it failed with, and then there is no completion."""

    key: str
    completion: Completion | None
    error: str | None = None


def call_key(messages: Iterable[Mapping[str, Any]], params: Mapping[str, Any]) -> str:
    """The content address of a call: what was asked and how it was sampled, and nothing else."""
    asked = [[m["role"], m["content"]] for m in messages]
    sampled = {name: params[name] for name in _SAMPLING if name in params}
    if "stop" in sampled:
        sampled["stop"] = list(sampled["stop"])
    text = json.dumps([asked, sampled], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def recorded_calls(
    events: Iterable[Event], *, role: str | None = None, model: str | None = None
) -> list[RecordedCall]:
    """The finished calls among `events` in the order they began, all or those of a role or model."""
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
        return RecordedCall(key, None, end.error)
    done = Completion(
        end.text, end.reasoning, end.finish, end.tokens_in, end.tokens_out, end.cost_usd, tuple(end.flags)
    )
    return RecordedCall(key, done)


class ReplayModel:
    """Answers each call with the next recorded one of the same messages and sampling."""

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
            ModelError: nothing (more) is recorded for this call, or the recorded call had failed.
        """
        call = self._next(messages, sampling)
        if call.completion is None:
            raise ModelError("server", call.error or "the recorded call failed")
        done = call.completion
        texts: tuple[tuple[Literal["reasoning", "text"], str], ...]
        texts = ("reasoning", done.reasoning), ("text", done.text)
        for channel, text in texts:
            for start in range(0, len(text), _PIECE):
                yield Delta(channel, text[start : start + _PIECE])
                await asyncio.sleep(0)  # let others run, as a live stream would
        flags = done.flags if "replayed" in done.flags else (*done.flags, "replayed")
        yield Completion(
            done.text, done.reasoning, done.finish, done.tokens_in, done.tokens_out, done.cost_usd, flags
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
