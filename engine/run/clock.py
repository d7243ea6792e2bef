"""The time of a run, and waiting by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
# A clock may go slower than the machine's: what is left of a limit would be looked at ever more often.
MIN_WAIT_S = 0.05


class Clock:
    """Seconds since it was made, without those for which it was paused.

    `wall_s` is all of them, and what people are told. `own_s` leaves out what others had of models and
    sandbox, and is what limits are held against: a workflow cannot help it if a machine or an endpoint is
    busy with other runs. During a model call it goes at the rate of the call's share of
    the model, with several calls at the sum of their shares, and never faster than `wall_s`.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._wall_s = self._own_s = 0.0
        self._pauses = 0
        self._shares: dict[object, float] = {}  # of the calls in progress

    @property
    def wall_s(self) -> float:
        self._advance()
        return self._wall_s

    @property
    def own_s(self) -> float:
        self._advance()
        return self._own_s

    def pause(self) -> None:
        """Stop until `resume`. Pauses nest: the clock goes on after as many calls of `resume`."""
        self._advance()
        self._pauses += 1

    def resume(self) -> None:
        """The end of one `pause`."""
        self._advance()
        self._pauses -= 1

    def leave_out(self, seconds: float) -> None:
        """So many of the last seconds were others', in a queue of the sandbox."""
        self._own_s -= seconds

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For the length of the block the run waits for a place in the sandbox: that is others' time."""
        with self.calling() as take:
            take(0)
            yield

    @contextmanager
    def calling(self) -> Iterator[Callable[[float], None]]:
        """A model call, from 0 to 1 of the model being its share: all of it, until what this gives is called
        with another one.
        """
        call = object()

        def take(share: float) -> None:
            self._advance()
            self._shares[call] = share

        take(1.0)
        try:
            yield take
        finally:
            self._advance()
            del self._shares[call]

    def _advance(self) -> None:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        if self._pauses == 0:
            self._wall_s += passed
            self._own_s += passed * min(1.0, sum(self._shares.values())) if self._shares else passed


async def within(clock: Clock, limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises what `work` raises, and TimeoutError after `limit_s` of the clock's own
    seconds; `work` is cancelled then.
    """
    task = asyncio.ensure_future(work)
    started = clock.own_s
    try:
        while (left := limit_s - (clock.own_s - started)) > 0:
            done, _ = await asyncio.wait({task}, timeout=max(left, MIN_WAIT_S))
            if done:
                return task.result()
        raise TimeoutError(f"it did not end within {limit_s:g} s of its own time")
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved: whoever waited may be gone
