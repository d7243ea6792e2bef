"""When a replayed event is due: by the recorded times, the speed, and who is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.events import Event, Notice
from tests.support.virtual_time import loop, run_virtually
from tui.trace.pace import LONGEST_S, SPEEDS, Pace, paced


async def told(*monos: float) -> AsyncIterator[Event]:
    for mono in monos:
        yield Notice(level="info", text="", mono=mono)


async def times(pace: Pace, *monos: float, shortened: list[float] | None = None) -> list[float]:
    """When each event came, in seconds of the loop's clock after the first."""
    heard = [] if shortened is None else shortened
    came = [loop().now async for _ in paced(told(*monos), pace, heard.append)]
    return [at - came[0] for at in came]


@pytest.mark.parametrize("speed", SPEEDS)
def test_events_come_as_far_apart_as_they_were(speed: float) -> None:
    came = run_virtually(times(Pace(speed), 0.0, 0.1, 0.1, 0.3))
    assert came == pytest.approx([0.0, 0.1 / speed, 0.1 / speed, 0.3 / speed])


@pytest.mark.parametrize("speed", [1.0, 5.0, 50.0])
def test_a_stretch_that_would_take_long_is_shortened_and_said(speed: float) -> None:
    """What is long is told by how long it would be waited for, not by how long it was."""
    heard: list[float] = []
    short, long = LONGEST_S * speed, LONGEST_S * speed + 0.5
    monos = (0.0, short, short + long, short + long + 900.0)
    came = run_virtually(times(Pace(speed), *monos, shortened=heard))
    assert came == pytest.approx([0.0, LONGEST_S, 2 * LONGEST_S, 3 * LONGEST_S])
    assert heard == pytest.approx([long, 900.0])


def test_who_is_late_does_not_wait() -> None:
    """A reader that takes longer than the events were apart is not slowed down further."""

    async def read() -> list[float]:
        came = []
        async for _ in paced(told(*(n * 0.1 for n in range(10))), Pace(1.0)):
            came.append(loop().now)
            if len(came) == 3:
                loop().now += 0.35
        return came

    came = run_virtually(read())
    assert came == pytest.approx([0.0, 0.1, 0.2, 0.55, 0.55, 0.55, 0.6, 0.7, 0.8, 0.9])


def test_a_pause_holds_and_another_speed_takes_effect_at_once() -> None:
    async def watch() -> list[float]:
        pace = Pace(1.0)
        playing = asyncio.ensure_future(times(pace, 0.0, 1.5))
        await asyncio.sleep(0.5)
        pace.toggle()
        await asyncio.sleep(1000.0)
        assert not playing.done()
        pace.toggle()
        await asyncio.sleep(0.5)
        for _ in SPEEDS:
            pace.faster()
        assert pace.speed == SPEEDS[-1]
        came = await playing
        for _ in SPEEDS:
            pace.slower()
        assert pace.speed == 1.0
        return came

    # Half a second before the pause, half a second after it, and the last half fifty times as fast.
    assert run_virtually(watch()) == pytest.approx([0.0, 1001.0 + 0.5 / SPEEDS[-1]])
