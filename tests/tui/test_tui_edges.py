"""Where the past begins and ends, and how long a wait must be to be told as a stall."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from textual.pilot import Pilot

from store.reader import Reader
from tests.tui.experiment_samples import filled
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import Script, ScriptedWorkbench, passing_run
from tests.tui.test_tui_trace import track
from tui.app import WorkbenchApp
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.screens.run.run import RunScreen
from tui.screens.run.scrub_bar import ScrubBar
from tui.service.records import Records
from tui.session import RunSession
from tui.stalls import LEAST_S, UNKNOWN_S, Stalls
from tui.trace.waiting import waiting_on
from tui.widgets.table_view import TableView

T = TypeVar("T")


def loaded() -> RunSession:
    session = RunSession(lambda: 100.0, live=False)
    for event in passing_run():
        session.take(event)
    return session


async def test_the_past_begins_before_the_first_event_and_ends_before_the_last() -> None:
    session, total = loaded(), len(passing_run())
    for asked, position in [(0, 0), (1, 1), (total - 1, total - 1), (-1, 0), (-total, 0)]:
        await session.look_back(asked)
        assert session.position == position
        assert session.shown is not session.state
        assert session.shown.last_seq == position - 1
    assert session.shown.status == "waiting" and not session.shown.tree.nodes
    for asked in (total, total + 1, 10 * total):
        await session.look_back(asked)
        assert session.position is None and session.shown is session.state


async def test_steps_of_the_scrub_stay_within_the_run() -> None:
    history, total = loaded().history, len(passing_run())
    assert history.milestone(1, -1) == history.milestone(0, -1) == 0
    assert history.milestone(total - 1, 1) == history.milestone(total, 1) == total
    for beyond in (-5, total + 5):
        state = await history.seek(beyond)
        assert state.last_seq == (-1 if beyond < 0 else total - 1)


async def opened(pilot: Pilot[None], app: WorkbenchApp) -> RunScreen:
    app.start_run(app.workbench.default_request())
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def test_the_ends_of_the_scrubber_are_the_ends_of_the_run(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        session, total = screen.session, len(passing_run())
        bar = screen.query_one(ScrubBar)
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: session.position == total - 1 and bar.display and bar.region.area)
        start, width = track(bar)
        await pilot.click(bar, offset=(1 + start, 0))
        await until(pilot, lambda: session.position == 0)
        assert f"after event 0 of {total}" in str(bar.render())
        assert "before the first event" in str(bar.render())
        # Further back there is nothing.
        await pilot.press("left_square_bracket")
        await pilot.press("less_than_sign")
        await pilot.pause()
        assert session.position == 0
        start, width = track(bar)
        assert str(bar.render())[start] == "●"
        # Just outside the track a click goes nowhere.
        await pilot.click(bar, offset=(start, 0))
        await pilot.pause()
        assert session.position == 0
        await pilot.click(bar, offset=(1 + start + width - 1, 0))
        await until(pilot, lambda: session.position is None)
        assert session.shown is session.state and not bar.display


class Usual(Records):
    """A store that knows how long a model usually takes."""

    def __init__(self, path: Path, seconds: float | None) -> None:
        super().__init__(path)
        self._seconds = seconds

    async def usual_waits(self) -> dict[tuple[str, str], float]:
        return {} if self._seconds is None else {("model", "pocket-worker"): self._seconds}

    async def write_locked(self) -> bool:
        return False


def waiting_session(now: list[float]) -> RunSession:
    """A run that waits for a worker, by a clock that the test moves."""
    session = RunSession(lambda: now[0], live=True)
    script = Script()
    script.start()
    script.execution("e", 1)
    script.step("e", 0, "CustomCodeGenerate", 5, finish=False, answer="x")
    for event in script.events:
        session.take(event)
    return session


@pytest.mark.parametrize(
    ("usual", "limit"),
    [(None, UNKNOWN_S), (0.01, LEAST_S), (0.999, LEAST_S), (1.5, 1.5), (300.0, 300.0)],
)
async def test_a_stall_is_longer_than_usual_and_never_a_moment(
    store: Path, usual: float | None, limit: float
) -> None:
    """What usually takes a hundredth of a second is no stall after a tenth."""
    now = [1000.0]
    session = waiting_session(now)
    stalls = Stalls(Usual(store, usual), lambda: now[0])
    await stalls.look([session])
    now[0] += limit - (session.state.mono - waiting_on(session.state).since) - 1e-6
    assert stalls.told(session) == ""
    now[0] += 2e-6
    assert stalls.told(session).startswith("stalled: model pocket-worker")


async def test_a_wait_as_long_as_usual_is_no_stall(store: Path) -> None:
    now = [1000.0]
    session = waiting_session(now)
    now[0] += 90.0
    waited = session.state.mono + session.since_last_event() - waiting_on(session.state).since
    for usual, is_told in ((waited, False), (waited - 0.001, True)):
        stalls = Stalls(Usual(store, usual), lambda: now[0])
        await stalls.look([session])
        assert bool(stalls.told(session)) is is_told


class Slow(Records):
    """A store whose reads end when the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = asyncio.Event()
        self.begun = self.ended = 0

    async def read(self, function: Callable[[Reader], T]) -> T:
        self.begun += 1
        await self.gate.wait()
        result = await super().read(function)
        self.ended += 1
        return result


async def test_a_read_that_takes_long_is_neither_cut_off_nor_joined_by_others(store: Path) -> None:
    filled(store)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        screen = app.screen
        assert isinstance(screen, ExperimentsScreen)
        table = screen.query_one("#experiments", TableView)
        await until(pilot, lambda: table.count == 1 and not screen._reading)
        slow = app.records = Slow(store)  # now that no other screen reads
        screen.action_reload()
        await until(pilot, lambda: slow.begun == 1)
        for _ in range(3):
            screen._reread()  # as its timer does
            await pilot.pause()
        assert (slow.begun, slow.ended) == (1, 0)
        screen.action_reload()  # what somebody asks for follows, once
        screen.action_reload()
        slow.gate.set()
        await until(pilot, lambda: not screen._reading)
        await until(pilot, lambda: all(w.is_finished for w in app.workers if w.group == "ahead"))
        assert slow.begun == slow.ended
        assert 1 < slow.begun <= 10  # two loads of three reads, and what is likely to be compared next


async def test_rows_that_cannot_be_read_are_told(store: Path) -> None:
    filled(store)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("UPDATE origins SET trial = '[]' WHERE run_id = (SELECT min(run_id) FROM origins)")
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        table = app.screen.query_one("#experiments", TableView)
        await until(pilot, lambda: "1 damaged row left out" in str(table.border_subtitle))
