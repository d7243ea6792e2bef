"""A gate that many may pass together, or one alone, so that a timeout can be tried again undisturbed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Ticket:
    """One stay inside."""

    def __init__(self, alone: bool) -> None:
        self.exclusive = alone
        self.accompanied = False  # whether anyone else was inside at any time of it


class Gate:
    """First come, first served: one that wants to be alone waits for those inside; later ones wait for it."""

    def __init__(self) -> None:
        self._inside: set[Ticket] = set()
        self._queue: deque[tuple[Ticket, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def __call__(self, *, alone: bool = False) -> AsyncIterator[Ticket]:
        """Pass, and stay inside for the length of the block."""
        ticket = Ticket(alone)
        await self._enter(ticket)
        try:
            yield ticket
        finally:
            self._leave(ticket)

    async def _enter(self, ticket: Ticket) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((ticket, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if ticket in self._inside:
                self._leave(ticket)
            else:
                self._queue.remove((ticket, turn))
                self._admit()
            raise

    def _leave(self, ticket: Ticket) -> None:
        self._inside.discard(ticket)
        self._admit()

    def _admit(self) -> None:
        """Let in whoever is next and fits with those inside."""
        while self._queue:
            ticket, turn = self._queue[0]
            if self._inside and (ticket.exclusive or any(other.exclusive for other in self._inside)):
                return
            self._queue.popleft()
            self._inside.add(ticket)
            if len(self._inside) > 1:
                for other in self._inside:
                    other.accompanied = True
            if not turn.done():  # done: cancelled, and about to leave
                turn.set_result(None)
