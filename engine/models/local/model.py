"""The event loop's side of an in-process model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from engine.models.base import Completion, Delta, Message, ModelError, Sampling, Share
from engine.models.checkpoints import weights_of
from engine.models.local.scheduler import Request, Scheduler, acquire, is_loaded, release


class LocalModel:
    """A Transformers model in this process. Models with the same weights share one thread and batch."""

    def __init__(self, name: str, source: str, *, device: str = "auto") -> None:
        """`source` is a folder or a hub ID. Nothing is loaded before the first call."""
        self.name = name
        self._source, self._device = source, device
        self._scheduler: Scheduler | None = None

    @property
    def weights(self) -> str:
        """The hash of its weights (`engine.models.checkpoints.weights_of`)."""
        return weights_of(self._source)

    @property
    def is_loaded(self) -> bool:
        """Whether a call would begin at once; true also where it could not be loaded, which the call says."""
        if self._scheduler is not None:
            return self._scheduler.is_ready
        return is_loaded(self._source, self._device)

    @property
    def threads(self) -> int:
        """How many threads of PyTorch it decodes with; 0 before it is loaded."""
        return self._scheduler.threads if self._scheduler is not None else 0

    async def load(self) -> bool:
        """Read the weights into memory, once for all models that share them; whether they could be."""
        loop, ready, scheduler = asyncio.get_running_loop(), asyncio.Event(), self._started()
        scheduler.when_ready(lambda: loop.call_soon_threadsafe(ready.set))
        await ready.wait()
        return scheduler.has_weights

    def _started(self) -> Scheduler:
        if self._scheduler is None:
            self._scheduler = acquire(self.name, self._source, self._device)
        return self._scheduler

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Share | Completion, None]:
        """Stream one completion. Closing the stream stops its decoding after the current step.

        Raises:
            ModelError: the model cannot be loaded, the prompt does not fit, or memory ran out.
        """
        request = Request(messages, sampling, asyncio.get_running_loop())
        self._started().submit(request)
        try:
            yield Share(0)  # until it is decoded
            while True:
                for item in await request.items.get():
                    if isinstance(item, ModelError):
                        raise item
                    yield item
                    if isinstance(item, Completion):
                        return
        finally:
            request.cancelled = True

    async def aclose(self) -> None:
        """Let go of the weights; memory is freed when the last model that shares them closes."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            await asyncio.to_thread(release, self._source, self._device)
