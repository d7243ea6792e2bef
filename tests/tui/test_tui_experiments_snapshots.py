"""How the Experiments screen looks: empty, busy, failed, and its form. Update with `--snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Static

from tests.support.trials import FAIL, PASS, Ran, store_experiment
from tests.tui.experiment_samples import filled, standing
from tests.tui.pilots import SMALL, WIDE, app_of, until
from tests.tui.test_tui_experiments import Engines, opened, table
from tui.screens.new_experiment.new_experiment import NewExperimentScreen

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that is named the same on every machine."""
    monkeypatch.chdir(tmp_path)
    return Path("store.db")


@SIZES
def test_no_experiment(snap_compare: Compare, size: tuple[int, int], path: Path) -> None:
    app = app_of(Engines(path))

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot, app, 0)
        await until(pilot, lambda: "No experiment yet" in table(app, "experiments").empty)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_one_in_progress_beside_others(snap_compare: Compare, size: tuple[int, int], path: Path) -> None:
    filled(path)
    store_experiment(path, "second", {"vanilla": {"p1": [PASS], "p2": [Ran("running")]}})
    app = app_of(Engines(path, standing()))

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot, app, 2)
        await until(pilot, lambda: table(app, "trials").count == 8)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_one_that_went_wrong(snap_compare: Compare, size: tuple[int, int], path: Path) -> None:
    lost = Ran("infra", error="the container was lost: no answer for 20 s")
    filled(path, [lost, FAIL, PASS, Ran("budget", error="the run has used its 200 model calls"), lost])
    app = app_of(Engines(path))

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot, app)
        await until(pilot, lambda: table(app, "trials").count == 5)
        await pilot.press("f")

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_the_form_with_its_preview(snap_compare: Compare, size: tuple[int, int], path: Path) -> None:
    app = app_of(Engines(path))

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot, app, 0)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not app.screen.query_one("#begin", Button).disabled)
        await until(pilot, lambda: "estimated" in str(app.screen.query_one("#preview", Static).render()))

    assert snap_compare(app, terminal_size=size, run_before=ready)
