"""Every model call of a run goes through here: budget, ledger, events.

Keys and URLs stay in the model objects; what is emitted holds neither (invariant I3).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby

from engine.events import (
    Channel,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    ModelLoading,
    ModelRetry,
    Notice,
    Role,
    ValueEdited,
)
from engine.forks import Fork
from engine.forks.replies import Replies
from engine.ids import new_id
from engine.models.base import (
    ChatModel,
    Completion,
    Delta,
    ErrorKind,
    Loads,
    Message,
    ModelError,
    Queued,
    Retry,
    Sampling,
    Spent,
)
from engine.models.chunks import CUT
from engine.models.faults import clip
from engine.models.parts import whole
from engine.run.control import Control, Crossing
from engine.run.emitter import Emitter
from engine.run.ledger import Ledger
from engine.secrets import held, hide

FLUSH_S = 0.05  # a delta event at most this often per call: twenty a second read as streaming

# Why a reply is suspect, by its flags; where it has several, the first of these is reported.
_SUSPECT = {
    "only-reasoning": "held only reasoning and no answer",
    "empty": "came back empty",
    "repetition": "was cut off where it did nothing but repeat itself",
    "default-limit": "was cut off at the limit that Transformers models have here (ask for less, or serve the"
    " model and add it as an endpoint)",
    "truncated": "was cut off before its end (raise max_tokens, or ask for less)",
    "unknown-finish": "may not be whole",
}
_SHOWN = 200  # characters of reasoning where there is nothing else


class Gateway:
    """Calls models for one run. Without `deltas`, no events of a reply are emitted before it is whole."""

    def __init__(
        self,
        emitter: Emitter,
        ledger: Ledger,
        control: Control,
        fork: Fork,
        replies: Replies | None = None,
        *,
        deltas: bool = True,
    ) -> None:
        """`replies` are answers that this run need not ask for again."""
        self._emitter = emitter
        self._deltas = deltas
        self._ledger = ledger
        self._control = control
        self._fork = fork
        self._replies = replies or Replies()
        self._loading: set[str] = set()  # names of the models that are being loaded

    async def call(
        self,
        model: ChatModel,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        role: Role,
        at: Crossing | None = None,
    ) -> Completion:
        """One completion, streamed into events. `at` is the crossing of the step that asks for it, None for
        a call outside of steps, which a fork may serve from its parent's record.

        Raises BudgetExceededError before the call is made, and ModelError where there is no completion; the
        tokens that a failed call cost are charged before that.
        """
        at = at or Crossing(where="model", operator="meta-agent" if role == "meta" else role)
        passed = await self._control.cross(replace(at, value=[dict(m) for m in messages]))
        messages = [
            Message(role=m["role"], content=whole(m["content"]))
            for m in (passed.value if passed.edited else messages)
        ]
        # A step is served or run as a whole; what is asked outside of steps is served call by call.
        served = None if passed.edited or at.step_id else self._fork.call(role, messages, sampling)
        if served is None:
            model = self._admit(model, messages, sampling, role)
        else:
            model, messages = served.model, served.messages
            if served.edited:
                edited = [dict(m) for m in messages]
                self._emitter.emit(ValueEdited(step_id=None, what="messages", value=edited))
        if isinstance(model, Loads) and not model.is_loaded:
            await self._load(model.name, model)
        call_id = new_id()
        self._emitter.emit(
            ModelCallStarted(
                call_id=call_id,
                role=role,
                model=model.name,
                step_id=at.step_id,
                messages=tuple({"role": m["role"], "content": m["content"]} for m in messages),
                params=sampling.to_json(),
            )
        )
        stream = _Stream(self._emitter, call_id, deltas=self._deltas)
        try:
            completion = await self._consume(model, messages, sampling, stream)
        except (ModelError, asyncio.CancelledError) as error:
            failed = error if isinstance(error, ModelError) else None
            spent = failed.spent if failed else Spent()
            self._ledger.charge(**asdict(spent))
            stream.finish(
                Completion(text="", finish="error", **asdict(spent)),
                error=str(failed) if failed else "cancelled",
                error_kind=failed.kind if failed else None,
            )
            raise
        self._ledger.charge(completion.tokens_in, completion.tokens_out, completion.cost_usd)
        # What came of it stays in the record, but it is nobody's answer. An older record may have taken it
        # for one, and is replayed as it is.
        if completion.finish == CUT and "replayed" not in completion.flags:
            error = _broken_off(model.name, completion)
            stream.finish(completion, error=str(error), error_kind=error.kind)
            raise error
        stream.finish(completion)
        if text := _suspicion(completion):
            self._emitter.emit(Notice(level="warning", text=f"A reply of {model.name} ({role}) {text}."))
        return replace(completion, call_id=call_id)

    def _admit(
        self, model: ChatModel, messages: Sequence[Message], sampling: Sampling, role: Role
    ) -> ChatModel:
        """Count the call, and return what answers it: the model, or the record of an earlier attempt. Raises
        BudgetExceededError.
        """
        kept = self._replies.take(role, model, messages, sampling)
        if kept is None:
            self._ledger.admit_call()
            return model
        self._ledger.admit_recorded(kept[1])
        return kept[0]

    async def _load(self, name: str, model: Loads) -> None:
        """Have a model loaded, which no call is charged for: the run's clock stands still meanwhile."""
        is_first = name not in self._loading
        self._loading.add(name)
        begun = time.monotonic()
        if is_first:
            self._emitter.emit(ModelLoading(model=name, wall_ms=None))
        self._ledger.pause()
        could = False
        try:
            could = await model.load()
        finally:
            self._ledger.resume()
            if is_first:
                self._loading.discard(name)
                wall_ms = (time.monotonic() - begun) * 1e3
                self._emitter.emit(ModelLoading(model=name, wall_ms=wall_ms, failed=not could))

    async def _consume(
        self, model: ChatModel, messages: Sequence[Message], sampling: Sampling, stream: _Stream
    ) -> Completion:
        queued = False
        try:
            async for item in model.stream(messages, sampling):
                if queued:
                    self._ledger.resume()
                    queued = False
                if isinstance(item, Delta):
                    stream.add(item)
                elif isinstance(item, Retry):
                    stream.retry(item)
                elif isinstance(item, Queued):
                    self._ledger.pause()
                    queued = True
                else:
                    return item
        finally:
            if queued:
                self._ledger.resume()
        raise ModelError("bad-response", f"{model.name} ended its stream without a completion; try again")


def _broken_off(name: str, completion: Completion) -> ModelError:
    """The failure of a call whose answer broke off each time it was tried."""
    spent = Spent(completion.tokens_in, completion.tokens_out, completion.cost_usd)
    text = f"{name}: the stream broke off before the answer was finished: is its server still running?"
    return ModelError("connection", text, spent)


def _channel(delta: Delta) -> Channel:
    return delta.channel


def _suspicion(completion: Completion) -> str:
    """Why the reply is not to be trusted; "" where nothing speaks against it."""
    flag = next((flag for flag in _SUSPECT if flag in completion.flags), None)
    if flag is None:
        return ""
    text = _SUSPECT[flag]
    if flag in ("only-reasoning", "empty", "unknown-finish"):
        text += f"; it ended with {completion.finish!r}"
    if flag == "only-reasoning":
        text += f": {clip(completion.reasoning[-_SHOWN:])}"
    return text


class _Stream:
    """The events of one call: deltas coalesced, then exactly one end."""

    def __init__(self, emitter: Emitter, call_id: str, *, deltas: bool) -> None:
        self._emitter = emitter
        self._deltas = deltas
        self._call_id = call_id
        self._started = time.monotonic()
        self._first: float | None = None
        self._pending: list[Delta] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, delta: Delta) -> None:
        if self._first is None:
            self._first = time.monotonic()
        if not self._deltas:
            return
        self._pending.append(delta)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush_soon)

    def flush(self, *, last: bool = True) -> None:
        """Emit what has come. Before the `last` flush, an end that may be the beginning of an API key is held
        back until more of the text shows whether it is one.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        for channel, deltas in groupby(pending, key=_channel):
            text = hide("".join(delta.text for delta in deltas))
            if not last and channel == pending[-1].channel and (held_chars := held(text)):
                text, rest = text[:-held_chars], text[-held_chars:]
                self._pending.append(Delta(channel, rest))
            if text:
                self._emitter.emit(ModelDelta(call_id=self._call_id, channel=channel, text=text))

    def _flush_soon(self) -> None:
        self._timer = None
        self.flush(last=False)

    def retry(self, retry: Retry) -> None:
        self.flush()
        self._first = None
        self._emitter.emit(ModelRetry(call_id=self._call_id, **asdict(retry)))

    def finish(
        self, completion: Completion, *, error: str | None = None, error_kind: ErrorKind | None = None
    ) -> None:
        self.flush()
        now = time.monotonic()
        self._emitter.emit(
            ModelCallFinished(
                call_id=self._call_id,
                text=completion.text,
                reasoning=completion.reasoning,
                finish=completion.finish,
                tokens_in=completion.tokens_in,
                tokens_out=completion.tokens_out,
                cost_usd=completion.cost_usd,
                ttft_ms=None if self._first is None else (self._first - self._started) * 1e3,
                wall_ms=(now - self._started) * 1e3,
                flags=completion.flags,
                error=error,
                sampled=dict(completion.sampled),
                error_kind=error_kind,
            )
        )
