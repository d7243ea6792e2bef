"""Reading a long stream in steps: being woken for a token costs many times what reading the token does.

A server that writes to many streams at once sends each token by itself. Nobody sees more than 20 steps a
second of an answer, so after its beginning a stream is read that often, with all that has come meanwhile.

What has come is handed over in the chunks in which it was sent, mostly one for each token. `arrivals` tells
which of them were read with one before: nothing waits for those, however many there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

EVERY_S = 0.05  # as often as a run tells of streamed text (`engine.run.reply_events.FLUSH_S`)
AT_ONCE = 40  # reads at the beginning that are not held back: short answers end without delay
FULL = 16_384  # bytes; where so many came at once, more are probably waiting


class Pace:
    """The pace of one stream. `sleep` (seconds) and `clock` (seconds) are for tests to replace."""

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._reads = 0
        self._last = clock()

    async def keep(self, size: int) -> None:
        """Wait, after a read of `size` bytes, until it is time for the next."""
        self._reads += 1
        wait_s = self._last + EVERY_S - self._clock()
        if wait_s > 0 and self._reads > AT_ONCE and size < FULL:
            await self._sleep(wait_s)
        self._last = self._clock()


async def arrivals(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[bytes, bool]]:
    """Each chunk, and whether the stream was read for it. The event loop runs during every read of a socket,
    and does not run for a chunk that is here already.
    """
    loop = asyncio.get_running_loop()
    ran = True

    def note() -> None:
        nonlocal ran
        ran = True

    while True:
        if ran:
            ran = False
            loop.call_soon(note)
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk, ran
