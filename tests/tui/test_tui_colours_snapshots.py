"""How Compare and Failures look where a terminal asks for no colours. Update with `--snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.pilots import app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_compare import comparing, full
from tests.tui.test_tui_failures import NAME_ERROR, full_store, opened, peek, table

__all__ = ["full", "full_store"]  # fixtures
SIZE = (120, 36)
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_comparison(snap_compare: Compare, full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))

    async def ready(pilot: Pilot[Any]) -> None:
        await comparing(pilot, "first:vanilla", "first:flow")

    assert snap_compare(app, terminal_size=SIZE, run_before=ready)


def test_failures(snap_compare: Compare, full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("j", "enter")
        await until(pilot, lambda: table(app, "runs").count == 2 and NAME_ERROR in peek(app))

    assert snap_compare(app, terminal_size=SIZE, run_before=ready)
