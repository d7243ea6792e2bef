"""Waits that take longer than usual: what is usual comes from the store, what is waited for from the run."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from store.reader import Reader
from tests.tui.pilots import WIDE, app_of, record, until
from tests.tui.scripted import RUN_ID, Script, ScriptedWorkbench, mid_stream_run, passing_run
from tui.screens.run.status_line import StatusLine
from tui.service.records import Records
from tui.session import RunSession
from tui.stalls import Stalls
from tui.trace.waiting import waiting_on
from tui.widgets.table_view import TableView


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def history(path: Path, runs: int = 3) -> None:
    await record(path, [passing_run(f"{RUN_ID}{n}", 1.78e9 + n * 977) for n in range(runs)])


def session_of(script: Script, clock: Clock) -> RunSession:
    session = RunSession(clock, live=True)
    for event in script.events:
        session.take(event)
    return session


def begun(**step: Any) -> Script:
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.propose(1)
    if step:
        script.execution("e", 1)
        script.step("e", 0, "CustomCodeGenerate", 5, finish=False, **step)
    return script


async def test_what_is_usual_is_read_from_the_store(store: Path) -> None:
    assert Reader(store).usual_waits() == {}
    await history(store)
    usual = Reader(store).usual_waits()
    assert usual["model", "pocket-worker"] == pytest.approx(1.84)
    assert usual["operator", "ScEnsemble"] == pytest.approx(1.4)
    assert usual["slot", ""] == pytest.approx(0.1, abs=1e-3)
    assert ("operator", "Review") not in usual, "there is nothing usual about what never ran"


async def test_a_wait_is_a_stall_once_it_is_longer_than_usual(store: Path) -> None:
    await history(store)
    clock = Clock()
    stalls = Stalls(Records(store), clock)
    scripts = {
        "model pocket-worker": begun(answer="x"),
        "rate limit of pocket-worker": begun(answer="", retry=""),
        "sandbox, CustomCodeGenerate": begun(answer="", code=None),
        "a container slot": begun(),
    }
    limited = begun(code=None)
    limited.call("worker", "", step_id="e-0", finish=False, retry="429 Too Many Requests")
    scripts["rate limit of pocket-worker"] = limited
    sessions = {name: session_of(script, clock) for name, script in scripts.items()}
    await stalls.look(list(sessions.values()))
    assert not any(stalls.told(session) for session in sessions.values())
    clock.now += 45
    for name, session in sessions.items():
        assert stalls.told(session).startswith(f"stalled: {name} 0:4"), name
        assert "usually under" in stalls.told(session)


async def test_without_history_only_a_minute_is_long(store: Path) -> None:
    clock = Clock()
    stalls, session = Stalls(Records(store), clock), session_of(begun(answer="x"), clock)
    await stalls.look([session])
    clock.now += 50
    assert stalls.told(session) == ""
    clock.now += 60
    assert stalls.told(session).startswith(
        "stalled: model pocket-worker 1:5"
    ) and "usually" not in stalls.told(session)


async def test_a_store_that_another_process_holds_is_named(store: Path) -> None:
    await history(store)
    clock = Clock()
    stalls, session = Stalls(Records(store), clock), session_of(begun(answer="x"), clock)
    clock.now += 90
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    await stalls.look([session])
    assert "the database, which another process holds" in stalls.told(session)
    holder.execute("ROLLBACK")
    holder.close()
    await stalls.look([session])
    assert "model pocket-worker" in stalls.told(session)


def test_a_stop_is_named_and_is_no_stall(store: Path) -> None:
    script = begun(code=None)
    script.add(
        ev.RunPaused(
            reason="before Test", where="before", execution_id="e", step_id="e-0", operator="Test", line=10
        )
    )
    clock = Clock()
    session = session_of(script, clock)
    assert waiting_on(session.state).text == "a breakpoint: before Test, line 10"
    clock.now += 4_000
    assert Stalls(Records(store), clock).told(session) == ""


async def test_home_and_the_status_line_name_what_stalls(store: Path) -> None:
    await history(store)
    clock = Clock()
    app = app_of(ScriptedWorkbench(store, mid_stream_run(), hold=True), clock=clock)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(app.workbench.default_request())
        await until(pilot, lambda: session.state.last_seq == len(mid_stream_run()) - 1)
        await until(pilot, lambda: app.screen.query(StatusLine))
        await app.stalls.look(app.engines.running)
        clock.now += 151
        assert "stalled: model pocket-meta 2:3" in str(app.screen.query_one(StatusLine).render())
        await pilot.press("1")
        await until(
            pilot,
            lambda: "stalled: model pocket-meta" in app.screen.query_one("#active", TableView).plain_text,
        )
