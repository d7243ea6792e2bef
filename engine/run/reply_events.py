"""The events of one reply of a model, as it comes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from itertools import groupby

from engine.events import Channel, ModelCallFinished, ModelDelta, ModelRetry
from engine.models.base import Completion, Delta, ErrorKind, Retry
from engine.run.emitter import Emitter
from engine.secrets import held, hide

FLUSH_S = 0.05  # a delta event at most this often per call: twenty a second read as streaming


class ReplyEvents:
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


def _channel(delta: Delta) -> Channel:
    return delta.channel
