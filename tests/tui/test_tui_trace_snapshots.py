"""How the views of a trace look, at the two sizes that matter. Update with `--snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.events import Event
from tests.tui.pilots import SMALL, WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench, failing_run, mid_stream_run
from tui.screens.run.run import RunScreen
from tui.widgets.graph_view import GraphView

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]
STORE = Path("/nonexistent/store.db")


def snapped(
    compare: Compare, size: tuple[int, int], events: list[Event], *keys: str, drawn: str, hold: bool = False
) -> bool:
    """Whether the run screen looks as it did once `drawn` is in the graph and these keys were pressed."""
    app = app_of(ScriptedWorkbench(STORE, events, hold=hold))

    async def ready(pilot: Pilot[Any]) -> None:
        session = app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and session.state.last_seq == events[-1].seq
        )
        await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
        await until(pilot, lambda: drawn in app.screen.query_one(GraphView).plain_text)
        for key in keys:
            await pilot.press(key)
            await until(pilot, lambda: not any(w.group in ("scrub", "find") for w in app.workers))
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=ready)


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a picture may take longer than the workbench waits before it calls a wait a stall."""
    monkeypatch.setattr("tui.app.STALL_SECONDS", 3600.0)


@SIZES
def test_timeline_of_a_run_that_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, failing_run(), "v", "w", drawn="ScEnsemble")


@SIZES
def test_timeline_while_a_workflow_is_written(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, mid_stream_run(), "w", drawn="Test", hold=True)


@SIZES
def test_timeline_of_a_run_that_has_hardly_begun(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, mid_stream_run()[:1], "w", drawn="", hold=True)


@SIZES
def test_raw_events_of_a_run_that_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, failing_run(), "v", "w", "w", "enter", drawn="ScEnsemble")


@SIZES
def test_a_run_as_it_was(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, failing_run(), *["less_than_sign"] * 2, drawn="ScEnsemble")


@SIZES
def test_only_what_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snapped(snap_compare, size, failing_run(), "V", "v", drawn="ScEnsemble")
