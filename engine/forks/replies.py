"""What an unfinished attempt was answered, at a trial or at an execution whose sandbox failed, used again by
the attempt that goes on from it.

A fork serves whole steps of a run that it changes. Here nothing is changed: all is carried out again, and a
call that asks the same of the same model gets the recorded answer, within a step that had not ended too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.events import Event, ModelCallFinished, ModelCallStarted, Role, RunStarted
from engine.models.base import ChatModel, Completion, Message, Sampling, Spent
from engine.models.replay import RecordedCall, ReplayModel, call_key

# The kinds of events that `replies_of` reads.
KINDS = (RunStarted.kind, ModelCallStarted.kind, ModelCallFinished.kind)
_WEIGHTS = {"meta": "meta_agent", "worker": "worker"}  # roles as RunStarted names them


@dataclass(frozen=True)
class Reply:
    """A recorded answer. `key` is the `call_key` of what was asked, `weights` the hash of the model's
    weights, "" where it had none.
    """

    role: Role
    model: str
    weights: str
    key: str
    completion: Completion

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reply:
        """The inverse of `to_json`. Raises TypeError or KeyError where `data` is no reply."""
        completion = {**data["completion"], "flags": tuple(data["completion"]["flags"])}
        return cls(**{**data, "completion": Completion(**completion)})


@dataclass(frozen=True)
class Unfinished:
    """The latest attempt at a trial, which did not come to its end, and what it and those before it were
    answered, in order.
    """

    run_id: str
    replies: tuple[Reply, ...]


def replies_of(events: Iterable[Event]) -> list[Reply]:
    """The answers that a run paid for, from its events of `KINDS` in order. Those that it had from an earlier
    run's record are that run's.
    """
    weights: dict[str, str] = {}
    asked: dict[str, ModelCallStarted] = {}
    replies: list[Reply] = []
    for event in events:
        match event:
            case RunStarted():
                weights = event.weights
            case ModelCallStarted():
                asked[event.call_id] = event
            case ModelCallFinished(error=None) if (
                start := asked.pop(event.call_id, None)
            ) and "replayed" not in event.flags:
                completion = Completion(
                    *(event.text, event.reasoning, event.finish),
                    *(event.tokens_in, event.tokens_out, event.cost_usd, tuple(event.flags)),
                )
                key = call_key(start.messages, start.params)
                its_weights = weights.get(_WEIGHTS[start.role], "")
                replies.append(Reply(start.role, start.model, its_weights, key, completion))
            case _:
                pass
    return replies


class Replies:
    """Recorded answers, each of which is given once."""

    def __init__(self, replies: Iterable[Reply] = ()) -> None:
        """`replies` are those of earlier runs, which this one has not counted."""
        # With what was paid for each that is still to be counted.
        self._waiting: dict[tuple[str, str, str], deque[tuple[Reply, Spent | None]]] = {}
        for reply in replies:
            paid = reply.completion
            self._put(reply, Spent(paid.tokens_in, paid.tokens_out, paid.cost_usd))

    def add(self, replies: Iterable[Reply]) -> None:
        """Further ones, which this run has counted."""
        for reply in replies:
            self._put(reply, None)

    def _put(self, reply: Reply, spent: Spent | None) -> None:
        self._waiting.setdefault((reply.role, reply.model, reply.key), deque()).append((reply, spent))

    def take(
        self, role: Role, model: ChatModel, messages: Sequence[Message], sampling: Sampling
    ) -> tuple[ChatModel, Spent | None] | None:
        """The model that gives the recorded answer, for nothing, and what was paid for it and is not counted
        yet; None where this was not asked of this model.
        """
        if not self._waiting:
            return None
        key = call_key(messages, sampling.to_json())
        waiting = self._waiting.get((role, model.name, key))
        if not waiting or waiting[0][0].weights != getattr(model, "weights", ""):
            return None
        reply, spent = waiting.popleft()
        answer = reply.completion
        unpaid = replace(answer, tokens_in=0, tokens_out=0, cost_usd=0.0)
        return ReplayModel(model.name, [RecordedCall(key, unpaid)]), spent
