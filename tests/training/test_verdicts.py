"""Verdicts that rollouts share: one check for equal ones, nobody else's failure, nothing uncertain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.types import Limits, SandboxError, Verdict
from training.rollouts.verdicts import SharedVerdicts, SharingSandbox

Check = Callable[[str], Any]


class Counting:
    """A sandbox whose checks are counted, and answered by `status`."""

    name, description = "counting", "counts"

    def __init__(self, status: Check = lambda _: "passed") -> None:
        self.checks: list[tuple[Any, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._status = status

    async def check(self, solution: str, tests: Any, **options: Any) -> Verdict:
        self.checks.append((solution, *tests, *options.values()))
        number = len(self.checks)
        await self.gate.wait()
        status = self._status(solution)
        if isinstance(status, Exception):
            raise status
        return Verdict(status, None, str(number), (), "split", "docker")


def sharing(inner: Counting, shared: SharedVerdicts | None = None) -> SharingSandbox:
    return SharingSandbox(inner, shared or SharedVerdicts())  # type: ignore[arg-type]


async def test_equal_checks_at_once_or_later_are_one() -> None:
    inner = Counting()
    inner.gate.clear()
    shared = SharedVerdicts()
    boxes = [sharing(inner, shared) for _ in range(4)]  # a rollout has one each
    work = [asyncio.ensure_future(box.check("code", ["t"], entry_point="f")) for box in boxes]
    await asyncio.sleep(0)
    inner.gate.set()
    found = await asyncio.gather(*work)
    assert len(inner.checks) == 1
    assert all(verdict is found[0] for verdict in found)
    assert await boxes[0].check("code", ["t"], entry_point="f") is found[0]
    assert len(inner.checks) == 1


async def test_whatever_differs_is_checked() -> None:
    inner = Counting()
    box = sharing(inner)
    await box.check("code", ["t"], entry_point="f")
    for other in (
        box.check("code ", ["t"], entry_point="f"),
        box.check("code", ["t", "u"], entry_point="f"),
        box.check("code", ["t"], entry_point="g"),
        box.check("code", ["t"], entry_point="f", prelude="x"),
        box.check("code", ["t"], entry_point="f", limits=Limits(cpu_s=1.0)),
        box.check("code", ["t"], entry_point="f", mode="objects"),
        box.check("code", ["t"], entry_point="f", tolerance=0.1),
        sharing(Counting(), SharedVerdicts()).check("code", ["t"], entry_point="f"),
    ):
        await other
    assert len(inner.checks) == 8


@pytest.mark.parametrize("status", ["timeout-cpu", "timeout-wall", "oom"])
async def test_what_the_machine_may_have_had_a_part_in_is_checked_again(status: str) -> None:
    inner = Counting(lambda _: status)
    box = sharing(inner)
    for _ in range(3):
        assert (await box.check("code", ["t"], entry_point="f")).status == status
    assert len(inner.checks) == 3


async def test_a_failure_and_a_cancellation_are_the_first_ones_alone() -> None:
    answers: list[Any] = [SandboxError("container-lost", "the container was lost"), "passed"]
    inner = Counting(lambda _: answers.pop(0))
    inner.gate.clear()
    shared = SharedVerdicts()
    first, second = (
        asyncio.ensure_future(sharing(inner, shared).check("code", ["t"], entry_point="f")) for _ in range(2)
    )
    await asyncio.sleep(0)
    inner.gate.set()
    with pytest.raises(SandboxError):
        await first
    assert (await second).status == "passed"

    answers += ["passed"]
    inner.gate.clear()
    first, second = (
        asyncio.ensure_future(sharing(inner, shared).check("new", ["t"], entry_point="f")) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    inner.gate.set()
    assert (await second).status == "passed"
    with pytest.raises(asyncio.CancelledError):
        await first
