"""The caller's side of a model that runs in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from engine.models.base import Completion, Delta, Message, ModelError, Sampling, Share
from engine.models.checkpoints import weights_of
from engine.models.process.link import Link, open_link


class ProcessModel:
    """A Transformers model in a process that all who use it on this machine share."""

    def __init__(self, name: str, source: str, *, device: str = "auto") -> None:
        """`source` is a folder or a hub ID. No process is started before the first call."""
        self.name = name
        self._source, self._device = source, device
        self._opening: asyncio.Task[Link] | None = None

    @property
    def weights(self) -> str:
        """The hash of its weights (`engine.models.checkpoints.weights_of`)."""
        return weights_of(self._source)

    @property
    def is_loaded(self) -> bool:
        """Whether a call would begin at once."""
        link = self._link()
        return link is not None and link.ready.is_set()

    async def load(self) -> bool:
        """Have the process, and the weights in its memory; where that fails, the call says why."""
        try:
            link = await self._linked()
        except ModelError:
            return False
        await link.ready.wait()
        return link.is_loaded

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Share | Completion, None]:
        """Stream one completion. Closing the stream stops its decoding after the current step.

        Raises:
            ModelError: the model cannot be loaded, the prompt does not fit, or its process has ended.
        """
        link = await self._linked()
        number, items = link.ask(messages, sampling)
        try:
            yield Share(0)  # until the process says otherwise
            while True:
                item = await items.get()
                if isinstance(item, ModelError):
                    raise item
                yield item
                if isinstance(item, Completion):
                    return
        finally:
            link.drop(number)

    async def aclose(self) -> None:
        """Leave the process, which ends by itself when nobody has used it for a minute."""
        opening, self._opening = self._opening, None
        if opening is None or opening.get_loop() is not asyncio.get_running_loop():
            return
        if not opening.done():
            opening.cancel()
        with suppress(asyncio.CancelledError, ModelError):
            await (await opening).aclose()

    def _link(self) -> Link | None:
        """The connection, where there is one."""
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return None if opening.result().is_over else opening.result()

    async def _linked(self) -> Link:
        """The connection, opened once for all who ask. Raises ModelError."""
        loop, opening = asyncio.get_running_loop(), self._opening
        is_used = opening is not None and opening.get_loop() is loop
        if opening is None or not is_used or (opening.done() and self._link() is None):
            opening = self._opening = loop.create_task(open_link(self.name, self._source, self._device))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if opening.cancelled() and task is not None and not task.cancelling():
                raise ModelError("server", f"{self.name} was closed during the call") from None
            raise
