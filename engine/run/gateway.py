"""Every model call of a run goes through here: budget, ledger, events.

Keys and URLs stay in the model objects; what is emitted holds neither (invariant I3).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial

from engine.events import (
    ModelCallStarted,
    ModelLoading,
    Notice,
    Role,
    ValueEdited,
)
from engine.forks import Fork
from engine.forks.replies import Replies, Reply
from engine.ids import new_id
from engine.models.base import (
    ChatModel,
    Completion,
    Delta,
    Loads,
    Message,
    ModelError,
    Retry,
    Sampling,
    Share,
    Spent,
)
from engine.models.chunks import CUT
from engine.models.faults import clip
from engine.models.parts import whole
from engine.models.replay import call_key
from engine.run.control import Control, Crossing
from engine.run.emitter import Emitter
from engine.run.ledger import Ledger
from engine.run.reply_events import ReplyEvents
from sandbox.types import SandboxError

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
        """`replies` are answers that an earlier attempt at this run has paid for."""
        self._emitter = emitter
        self._deltas = deltas
        self._ledger = ledger
        self._control = control
        self._fork = fork
        self._replies = replies or Replies()
        # To executions in progress. Their addresses are wanted only where one is lost.
        self._given: dict[str, list[Callable[[], Reply]]] = {}
        self._loading: set[str] = set()  # names of the models that are being loaded

    @contextmanager
    def keeping(self, execution_id: str) -> Iterator[None]:
        """One attempt at an execution. Where the sandbox fails it, what its steps were answered is not asked
        for again: a call that asks the same of the same model gets it.
        """
        given = self._given[execution_id] = []
        try:
            yield
        except SandboxError:
            self._replies.add(reply() for reply in given)
            raise
        finally:
            del self._given[execution_id]

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
        asked = model
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
        stream = ReplyEvents(self._emitter, call_id, deltas=self._deltas)
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
        if (given := self._given.get(at.execution_id or "")) is not None:
            given.append(partial(_reply, role, asked, messages, sampling, completion))
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
        recorded, uncounted = kept
        if uncounted is not None:
            self._ledger.admit_recorded(uncounted)
        return recorded

    async def _load(self, name: str, model: Loads) -> None:
        """Have a model loaded, which no call is charged for: the run's clock stands still meanwhile."""
        is_first = name not in self._loading
        self._loading.add(name)
        begun = time.monotonic()
        if is_first:
            self._emitter.emit(ModelLoading(model=name, wall_ms=None))
        self._ledger.clock.pause()
        could = False
        try:
            could = await model.load()
        finally:
            self._ledger.clock.resume()
            if is_first:
                self._loading.discard(name)
                wall_ms = (time.monotonic() - begun) * 1e3
                self._emitter.emit(ModelLoading(model=name, wall_ms=wall_ms, failed=not could))

    async def _consume(
        self, model: ChatModel, messages: Sequence[Message], sampling: Sampling, stream: ReplyEvents
    ) -> Completion:
        with self._ledger.clock.calling() as take:
            async for item in model.stream(messages, sampling):
                if isinstance(item, Delta):
                    stream.add(item)
                elif isinstance(item, Retry):
                    stream.retry(item)
                elif isinstance(item, Share):
                    take(item.part)
                else:
                    return item
        raise ModelError("bad-response", f"{model.name} ended its stream without a completion; try again")


def _reply(
    role: Role, model: ChatModel, messages: Sequence[Message], sampling: Sampling, completion: Completion
) -> Reply:
    key = call_key(messages, sampling.to_json())
    return Reply(role, model.name, getattr(model, "weights", ""), key, completion)


def _broken_off(name: str, completion: Completion) -> ModelError:
    """The failure of a call whose answer broke off each time it was tried."""
    spent = Spent(completion.tokens_in, completion.tokens_out, completion.cost_usd)
    text = f"{name}: the stream broke off before the answer was finished: is its server still running?"
    return ModelError("connection", text, spent)


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
