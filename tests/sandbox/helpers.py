"""What the sandbox's tests share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox import Pool
from sandbox.hosts import SandboxHost


async def refuse(method: str, arguments: dict[str, Any]) -> Any:
    """A callback for calls that should make none."""
    raise AssertionError(f"unexpected call of {method}")


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 120.0) -> None:
    """Poll `condition` until it holds. The deadline is for what never happens, not for what is slow."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


async def at_work(host: SandboxHost) -> bool:
    """Whether a request or a session has one of the host's containers."""
    return host.busy > 0


async def assert_healthy(pool: Pool) -> None:
    """The next request passes, and a used container is as a fresh one."""
    verdict = await pool.check("def f(x):\n    return x + 1", ["assert f(1) == 2"], entry_point="f")
    assert verdict.status == "passed", verdict
    for worker in list(pool.idle):
        if worker.reusable:
            assert await worker.channel.probe() is None
