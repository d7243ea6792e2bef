"""Running what the models wrote, in the project's sandbox and never in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from engine.run.step_requests import feedback_text
from sandbox import Sandbox, open_sandbox

_AT_ONCE = 8


@dataclass(frozen=True)
class Item:
    """A solution and the tests it has to pass."""

    solution: str
    tests: tuple[str, ...]
    entry_point: str


@dataclass(frozen=True)
class Ruling:
    """Whether all tests passed, and what a worker would be told."""

    passed: bool
    feedback: str


async def rule(sandbox: Sandbox, items: Sequence[Item]) -> list[Ruling]:
    """One ruling per item, in order. Raises SandboxError where the sandbox fails."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> Ruling:
        async with free:
            verdict = await sandbox.check(item.solution, item.tests, entry_point=item.entry_point)
        return Ruling(verdict.status == "passed", feedback_text(verdict, list(item.tests)))

    return await asyncio.gather(*(one(item) for item in items))


def judge(items: Sequence[Item]) -> list[Ruling]:
    """As `rule`, from synchronous code and with a sandbox of its own. Raises SandboxError."""

    async def run() -> list[Ruling]:
        async with open_sandbox() as sandbox:
            return await rule(sandbox, items)

    return asyncio.run(run())
