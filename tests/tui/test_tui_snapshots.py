"""How the states that matter look, at the two sizes that matter. Update with `--snapshot-update`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.pilots import SMALL, WIDE, app_of, record, until
from tests.tui.scripted import RUN_ID, ScriptedWorkbench, failing_run, mid_stream_run, passing_run
from tui.app import WorkbenchApp
from tui.screens.run.run import RunScreen
from tui.screens.run.status_line import StatusLine
from tui.widgets.graph_view import GraphView
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]
# Not the test's own folder: its name would be on screen.
STORE = Path("/nonexistent/store.db")
WEAK = "Bubblewrap sandbox: memory and processes are not limited as they are in Docker."


@pytest.fixture
def full_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of a few runs, named the same on every machine."""
    monkeypatch.chdir(tmp_path)
    path = Path("store.db")
    runs = [(failing_run if n % 3 == 0 else passing_run)(f"{RUN_ID}{n}", 1.78e9 + n * 977) for n in range(7)]
    asyncio.run(record(path, runs))
    return path


def tables_filled(app: WorkbenchApp) -> bool:
    return not any(table.empty.startswith("Reading") for table in app.screen.query(TableView))


async def start(pilot: Pilot[Any], done: Callable[[RunScreen], object]) -> None:
    """Start a run and wait until its screen is as the test wants it."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    app.start_run(app.workbench.default_request())
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.query(GraphView))
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and done(app.screen))
    await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a picture may take longer than the workbench waits before it calls a wait a stall."""
    monkeypatch.setattr("tui.app.STALL_SECONDS", 3600.0)


@SIZES
def test_home_without_runs(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(STORE))

    async def ready(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: tables_filled(app))

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_home_with_a_run_in_progress(snap_compare: Compare, size: tuple[int, int], full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store, mid_stream_run(), hold=True))

    async def ready(pilot: Pilot[Any]) -> None:
        await start(pilot, lambda screen: screen.session.state.last_seq == len(mid_stream_run()) - 1)
        await pilot.press("1")
        await until(pilot, lambda: tables_filled(app) and app.screen.query_one("#active", TableView).count)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_a_run_while_its_workflow_is_written(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(STORE, mid_stream_run(), hold=True))

    async def ready(pilot: Pilot[Any]) -> None:
        await start(pilot, lambda screen: "Test" in screen.query_one(GraphView).plain_text)
        await until(pilot, lambda: app.screen.query_one(OutlineView).selected == ("call", "call-8"))

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_a_run_that_failed_in_a_weaker_sandbox(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(STORE, failing_run(), note=WEAK))

    async def ready(pilot: Pilot[Any]) -> None:
        await start(
            pilot, lambda screen: screen.session.state.finished and screen.query_one(OutlineView).count
        )
        await pilot.press("v")
        await until(pilot, lambda: "ScEnsemble" in app.screen.query_one(GraphView).plain_text)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_a_trace_from_the_store(snap_compare: Compare, size: tuple[int, int], full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store), initial_run_id=f"{RUN_ID}5")

    async def ready(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        await until(pilot, lambda: app.focused is not None and app.screen.query_one(OutlineView).count > 20)
        await until(pilot, lambda: "ScEnsemble" in app.screen.query_one(GraphView).plain_text)
        await until(pilot, lambda: "passed" in str(app.screen.query_one(StatusLine).render()))
        await pilot.press("j", "j")
        await until(pilot, lambda: "Workflow" in str(app.screen.query_one("#detail").border_title))
        await until(pilot, lambda: "Repairs" in app.screen.query_one("#detail-text", TextView).plain_text)
        app.screen.query_one(StatusLine).refresh()  # it is drawn at a tick, which may not have come yet
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)
