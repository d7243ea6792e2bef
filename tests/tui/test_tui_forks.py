"""Forks and replay on the screens: the dialog, what it asks for, the parent, and a run played again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, TextArea

from engine import events as ev
from tests.tui.pilots import WIDE, app_of, record, told, until
from tests.tui.scripted import RUN_ID, ScriptedWorkbench, failing_run, passing_run
from tui.app import WorkbenchApp
from tui.screens.fork.fork import ForkScreen
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.service.requests import NewFork
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar
from tui.widgets.value_fields import ValueFields

CONFIG = {
    "rounds": 3,
    "repeats": 3,
    "seed": 0,
    "stop_early": True,
    "make_tests": False,
    "operators": "paper",
    "meta_sampling": {},
    "worker_sampling": {},
}


def forkable(events: list[ev.Event], **start: Any) -> list[ev.Event]:
    """The run with all that a real one says at its start."""
    first = events[0]
    assert isinstance(first, ev.RunStarted)
    return [dataclasses.replace(first, config=CONFIG, **start), *events[1:]]


def crumb(app: WorkbenchApp) -> str:
    """The title's; empty while a screen is still being made."""
    bars = app.screen.query(TitleBar)
    return bars.first().crumb if bars else ""


async def opened(pilot: Pilot[Any], app: WorkbenchApp, run_id: str = RUN_ID) -> None:
    app.open_trace(run_id)
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
    await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")


async def test_a_changed_prompt_and_inputs_become_a_fork(store: Path) -> None:
    await record(store, [forkable(failing_run())])
    workbench = ScriptedWorkbench(store, forkable(passing_run("01child"), origin={"parent": RUN_ID}))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        app.screen.query_one(OutlineView).select(("step", "e0-0"))
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        inputs = app.screen.query_one("#inputs", ValueFields)
        given = inputs.value
        assert given["entry_point"] == "median"
        await pilot.press("ctrl+t")
        inputs.first.load_text("{nothing")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "not JSON" in str(app.screen.query_one("#complaint").render()))
        inputs.first.load_text(json.dumps({**given, "instruction": "Sort first."}))
        app.screen.query_one("#prompt", TextArea).load_text("Write median.")
        app.screen.query_one("#everywhere", Checkbox).value = True
        app.screen.query_one("#worker", Input).value = "better"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: workbench.requests)
        (request,) = workbench.requests
        assert isinstance(request, NewFork)
        assert (request.parent, request.at, request.worker) == (RUN_ID, "e0-0", "better")
        assert request.inputs == {**given, "instruction": "Sort first."}
        assert (request.prompt, request.everywhere) == ("Write median.", True)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        assert f"from {RUN_ID[:10]}" in crumb(app)
        await pilot.press("P")
        await until(pilot, lambda: crumb(app).startswith("Trace"))
        assert isinstance(app.screen, RunScreen)
        assert app.screen.session.title


async def test_unchanged_fields_are_no_edits(store: Path) -> None:
    await record(store, [forkable(failing_run())])
    workbench = ScriptedWorkbench(store, passing_run("01child"))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        app.screen.query_one(OutlineView).select(("step", "e0-1"))
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert workbench.requests == []
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: workbench.requests)
    fork = workbench.requests[0]
    assert isinstance(fork, NewFork)
    assert (fork.at, fork.inputs, fork.prompt, fork.everywhere) == ("e0-1", None, None, False)


async def test_what_cannot_be_forked_is_said(store: Path) -> None:
    await record(store, [failing_run()])  # an old record that lacks its options
    workbench = ScriptedWorkbench(store)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("g", "F")
        await until(pilot, lambda: any("select the step" in t for t in told(app)))
        app.screen.query_one(OutlineView).select(("step", "e0-0"))
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: any("does not say what it was run with" in t for t in told(app)))
        await pilot.press("P")
        await until(pilot, lambda: any("not forked from another" in t for t in told(app)))
    assert workbench.requests == []


async def test_forks_are_marked_in_the_list_of_runs(store: Path) -> None:
    child = forkable(passing_run("01child", 1.8e9), origin={"parent": RUN_ID, "forked_at": "e0-0"})
    await record(store, [forkable(failing_run()), child])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 2)
        rows = table.plain_text.splitlines()
        assert sum("↳" in row for row in rows) == 1


async def test_a_trace_is_replayed_paused_and_played_again(store: Path) -> None:
    slow = [dataclasses.replace(e, mono=n * 0.1) for n, e in enumerate(passing_run())]
    await record(store, [slow])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await until(pilot, lambda: "Scored on test" in app.screen.query_one(OutlineView).plain_text)
        whole = app.screen.query_one(OutlineView).plain_text
        await pilot.press("R")
        await until(pilot, lambda: crumb(app).startswith("Replay ×1"))
        assert isinstance(app.screen, RunScreen)
        session = app.screen.session
        await pilot.press("R")
        await until(pilot, lambda: "paused" in crumb(app))
        seen = session.state.last_seq
        await pilot.press("full_stop", "full_stop", "comma", *["full_stop"] * 4)
        await until(pilot, lambda: "×50" in crumb(app))
        assert session.state.last_seq == seen < len(slow) - 1
        assert session not in app.engines.running
        await pilot.press("R")
        await until(pilot, lambda: session.state.finished)
        await until(
            pilot, lambda: app.screen.query_one(OutlineView).plain_text.count("\n") == whole.count("\n")
        )
        assert session.state.score == 1.0
        await pilot.press("escape")
        await until(pilot, lambda: crumb(app).startswith("Trace"))
