"""How much of anything is taken: files together and one by one, and calls that wait for the host."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox import Limits, Pool
from sandbox.files import MAX_INPUT_BYTES, for_guest, from_guest
from tests.sandbox.helpers import assert_healthy, refuse

sandboxed = pytest.mark.asyncio(loop_scope="session")

MIB = 1 << 20


def arrived(*sizes: int) -> list[tuple[str, bytes, None]]:
    return [(f"{number}.bin", bytes(size), None) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((4 * MIB,), 1),
        ((4 * MIB + 1,), 0),
        ((4 * MIB,) * 4, 4),
        ((4 * MIB,) * 5, 4),
        ((4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB - 1, 1), 5),
        ((4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB - 1, 2), 4),
        ((1,) * 32, 32),
        ((1,) * 40, 32),
    ],
)
def test_the_host_takes_no_more_files_than_it_says(sizes: tuple[int, ...], kept: int) -> None:
    """Whatever a guest sends: 4 MiB a file, 16 MiB and 32 files together."""
    files, refused = from_guest(arrived(*sizes))
    assert [file.size for file in files] == list(sizes[:kept])
    assert len(refused) == len(sizes) - kept
    assert {file.reason for file in refused} <= {"it is over the caps"}


def test_files_that_go_in_are_counted_together() -> None:
    half = MAX_INPUT_BYTES // 2
    assert len(for_guest({"a": bytes(half), "b": bytes(half)})) == 2
    with pytest.raises(ValueError, match="larger than 4 MiB together"):
        for_guest({"a": bytes(half), "b": bytes(half), "c": b"x"})


@sandboxed
async def test_the_sandbox_hands_out_16_mib_to_the_byte(sandbox: Pool) -> None:
    limits = Limits(cpu_s=20, wall_s=120)
    for last, kept in ((4 * MIB, 4), (4 * MIB - 1, 5)):
        sizes = [4 * MIB, 4 * MIB, 4 * MIB, last, 1]
        code = f"for n, size in enumerate({sizes}):\n    open(f'{{n}}.bin', 'wb').write(bytes(size))"
        outcome = await sandbox.run_program(code, collect=("*.bin",), limits=limits)
        assert [file.size for file in outcome.files] == sizes[:kept]
        assert len(outcome.refused) == 5 - kept


@sandboxed
async def test_calls_that_wait_for_the_host_are_bounded(sandbox: Pool) -> None:
    """A process that asks for everything at once is not read while too much of it is unanswered."""
    at_most, calls, size = 256, 400, 16_000
    # What one read of its socket may bring is passed on whole.
    at_once = (1 << 18) // size + 1
    arrived, go_on = 0, asyncio.Event()
    enough = asyncio.Event()

    async def hold(method: str, arguments: dict[str, Any]) -> int:
        nonlocal arrived
        arrived += 1
        if arrived == at_most:
            enough.set()
        await go_on.wait()
        return len(arguments["text"])

    async with sandbox.session() as session:
        arguments = {"n": calls, "size": size}
        limits = Limits(wall_s=120, cpu_s=20)
        crowd = asyncio.ensure_future(session.call("steps:crowd", arguments, callback=hold, limits=limits))
        await enough.wait()
        # The runner has been around its loop several times once these are answered.
        for number in range(5):
            echoed = await session.call("steps:echo", {"n": number}, callback=refuse, limits=Limits())
            assert echoed.value == {"n": number}
        assert at_most <= arrived <= at_most + at_once
        go_on.set()
        outcome = await crowd
    assert outcome.value == [size] * calls
    assert arrived == calls
    await assert_healthy(sandbox)
