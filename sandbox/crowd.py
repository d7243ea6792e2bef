"""How many calls of sessions may be in a container at once: each is a process, and takes memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

# Of a container's 512 MB its runner takes 19 and a process that waits 3.1, its part of the kernel's tables
# included. Beside 160 of them the kernel ended one; with all seats taken there can be 148.
CALLS = 64
# Of each session, however many there are: its workflow, a step, and the process that is kept for the next
# one. So what never ends in one session cannot hold up another.
OWN = 3


@dataclass(eq=False)
class Party:
    """The calls of one session that are in its container."""

    size: int = 0


class Crowd:
    """The calls that are in a container. Beyond `OWN` of its session, one waits while there are `CALLS`."""

    def __init__(self) -> None:
        self._calls = 0
        self._waiting: list[asyncio.Future[None]] = []

    @contextlib.asynccontextmanager
    async def join(self, party: Party) -> AsyncIterator[None]:
        """Be one of them for the length of the block, once there is room."""
        while party.size >= OWN and self._calls >= CALLS:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                self._waiting.remove(turn)
        party.size += 1
        self._calls += 1
        try:
            yield
        finally:
            party.size -= 1
            self._calls -= 1
            for turn in self._waiting:  # in their order; those for whom there is no room yet wait again
                if not turn.done():
                    turn.set_result(None)
