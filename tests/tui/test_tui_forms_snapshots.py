"""How the forms look that change a value in parts: at a stop, and for a cluster of failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.pilots import SMALL, WIDE, app_of, until
from tests.tui.scripted import PROBLEM, SOLUTION, WRONG, ScriptedWorkbench
from tests.tui.test_tui_fork_cluster import cluster, opened
from tests.tui.test_tui_live import Standing, paused, stop_of
from tui.app import WorkbenchApp
from tui.screens.stop.stop import StopScreen

__all__ = ["cluster"]  # a fixture
SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a picture may take longer than the workbench waits before it calls a wait a stall."""
    monkeypatch.setattr("tui.app.STALL_SECONDS", 3600.0)


@SIZES
def test_a_stop_before_a_step(snap_compare: Compare, size: tuple[int, int], store: Path) -> None:
    event = paused(locals={"drafts": [SOLUTION, WRONG], "count": 1})
    value = {"problem": PROBLEM.prompt, "solution": WRONG, "test_loop": 0}
    workbench = Standing(store, stop_of(event, value), event)
    app = app_of(workbench)

    async def ready(pilot: Pilot[Any]) -> None:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, StopScreen) and app.focused is not None)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_one_edit_for_a_cluster(snap_compare: Compare, size: tuple[int, int], cluster: Path) -> None:
    app = app_of(ScriptedWorkbench(cluster))

    async def ready(pilot: Pilot[Any]) -> None:
        assert isinstance(pilot.app, WorkbenchApp)
        await opened(pilot, pilot.app)

    assert snap_compare(app, terminal_size=size, run_before=ready)
