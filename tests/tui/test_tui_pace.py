"""When a replayed event is due: by the recorded times, the speed, and who is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.events import Event, Notice
from tui.trace.pace import LONGEST_S, SPEEDS, Pace, paced


async def told(*monos: float) -> AsyncIterator[Event]:
    for mono in monos:
        yield Notice(level="info", text="", mono=mono)


async def times(pace: Pace, *monos: float, shortened: list[float] | None = None) -> list[float]:
    """When each event came, in seconds of the loop's clock after the first."""
    loop = asyncio.get_running_loop()
    heard = [] if shortened is None else shortened
    came = [loop.time() async for _ in paced(told(*monos), pace, heard.append)]
    return [at - came[0] for at in came]


@pytest.mark.parametrize("speed", [1.0, 10.0])
async def test_events_come_as_far_apart_as_they_were(speed: float) -> None:
    came = await times(Pace(speed), 0.0, 0.1, 0.1, 0.3)
    assert came[1] >= 0.1 / speed
    assert came[3] >= 0.3 / speed
    assert came[3] < 0.3 / speed + 2.0


async def test_a_long_stretch_is_shortened_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.trace.pace.LONGEST_S", 0.05)
    heard: list[float] = []
    came = await times(Pace(1.0), 0.0, 900.0, 900.01, shortened=heard)
    assert heard == [900.0]
    assert came[2] < LONGEST_S
    heard.clear()
    await times(Pace(50.0), 0.0, 2.0, shortened=heard)
    assert heard == []


async def test_who_is_late_does_not_wait() -> None:
    """A reader that takes longer than the events were apart is not slowed down further."""
    loop = asyncio.get_running_loop()
    pace = Pace(1.0)
    came = []
    async for _ in paced(told(*(n * 0.01 for n in range(10))), pace):
        came.append(loop.time())
        if len(came) == 1:
            until = loop.time() + 0.2
            while loop.time() < until:
                pass
    assert came[-1] - came[1] < 0.09


async def test_a_pause_holds_and_another_speed_takes_effect_at_once() -> None:
    pace = Pace(1.0)
    pace.toggle()
    playing = asyncio.ensure_future(times(pace, 0.0, 1.5))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not playing.done()
    pace.toggle()
    for _ in SPEEDS:
        pace.faster()
    assert pace.speed == 50.0
    assert (await playing)[1] < 1.4
    for _ in SPEEDS:
        pace.slower()
    assert pace.speed == 1.0
