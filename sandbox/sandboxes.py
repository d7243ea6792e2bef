"""A pool for each image, opened when something first needs that image."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from sandbox.backends import Prefer, recipe
from sandbox.pool import Pool, open_sandbox


class Sandboxes:
    """Pools by image; most work needs `core` only, so the others cost nothing until asked for.

    Use as an async context manager: leaving it removes the containers of every pool.
    """

    def __init__(
        self,
        prefer: Prefer = "auto",
        guest_modules: Mapping[str, str] | None = None,
        *,
        hosts: Sequence[str] = (),
        runtime: str | None = None,
        size: int | None = None,
        build: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """The options are those of `open_sandbox`.

        An image that is another one with a few packages added is built in any case: that takes seconds.
        """
        self._prefer: Prefer = prefer
        self._modules = guest_modules
        self._hosts, self._runtime = hosts, runtime
        self._size, self._build, self._progress = size, build, progress
        self._pools: dict[str, Pool] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Sandboxes:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def open(self, image: str = "core") -> Pool:
        """The pool of `image`.

        Raises SandboxError where there is no such image, or it is not available here; a later call tries
        again.
        """
        async with self._opening[image]:
            if image not in self._pools:
                wanted = recipe(image)
                pool = open_sandbox(
                    self._prefer,
                    self._modules,
                    hosts=self._hosts,
                    runtime=self._runtime,
                    size=self._size,
                    build=self._build or wanted.on is not None,
                    image=wanted.name,
                    progress=self._progress,
                )
                self._pools[image] = await self._stack.enter_async_context(pool)
        return self._pools[image]
