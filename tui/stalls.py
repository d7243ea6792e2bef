"""Waits that take longer than is usual, and what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tui import format as fmt

if TYPE_CHECKING:
    from tui.service.records import Records
    from tui.session import RunSession
    from tui.trace.waiting import Waiting

UNKNOWN_S = 60.0  # a wait longer than this is a stall, where the store does not know what is usual
LEAST_S = 1.0  # no shorter wait is a stall, however short the usual ones are
FRESH_S = 60.0  # how long what is usual is believed before it is read again


class Stalls:
    """Compares waits with the store's history, which is read in a thread now and then.

    `usual` is `Reader.usual_waits` in seconds; `locked` says that another process holds the store.
    """

    def __init__(self, records: Records, clock: Callable[[], float]) -> None:
        self.usual: Mapping[tuple[str, str], float] = {}
        self.locked = False
        self._records, self._clock = records, clock
        self._read_at: float | None = None

    async def look(self, sessions: list[RunSession]) -> None:
        """Read again what is usual, when that is due; and where something stalls, whether the store is held.

        Raises StoreError where the store cannot be read.
        """
        if self._read_at is None or self._clock() - self._read_at > FRESH_S:
            self._read_at = self._clock()
            self.usual = await self._records.usual_waits()
        stalled = any(self._overdue(session) for session in sessions)
        # Twice, since whoever writes holds the store for a moment each time.
        self.locked = stalled and await self._held() and await self._held()

    async def _held(self) -> bool:
        await asyncio.sleep(0.05)
        return await self._records.write_locked()

    def told(self, session: RunSession) -> str:
        """What the run has waited for too long, and how long; "" while nothing is unusual."""
        overdue = self._overdue(session)
        if overdue is None:
            return ""
        wait, waited, usual = overdue
        cause = "the database, which another process holds" if self.locked else _named(wait)
        usual_note = "" if usual is None else f" (usually under {fmt.duration(usual * 1000)})"
        return f"stalled: {cause} {fmt.clock(waited)}{usual_note}"

    def _overdue(self, session: RunSession) -> tuple[Waiting, float, float | None] | None:
        from tui.trace.waiting import waiting_on

        state = session.state
        wait = waiting_on(state)
        if wait.kind in ("nothing", "stop"):
            return None
        waited = state.mono + session.since_last_event() - wait.since
        kind = "model" if wait.kind == "rate-limit" else wait.kind
        usual = self.usual.get((kind, wait.name))
        limit = UNKNOWN_S if usual is None else max(usual, LEAST_S)
        return (wait, waited, usual) if waited > limit else None


def _named(wait: Waiting) -> str:
    match wait.kind:
        case "model":
            return f"model {wait.name}"
        case "rate-limit":
            return f"rate limit of {wait.name}"
        case "operator":
            return f"sandbox, {wait.name}"
        case "slot":
            return "a container slot"
        case "scoring":
            return "sandbox, scoring"
    return wait.text
