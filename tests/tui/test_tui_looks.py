"""How every screen looks at four sizes, in a dark and a light theme and without colours.

One app shows the screens of a store one after the other. Update with `--snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.color import Color
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES, Theme

from sandbox import inspection
from tests.support.trials import FAIL, PASS, Ran, store_experiment
from tests.tui.pictures import PictureExtension, pictures
from tests.tui.pilots import WIDE, app_of, record, until
from tests.tui.playground_script import GRID, grid_run, parent_run
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_compare import FIRST, SECOND, comparing
from tests.tui.test_tui_failures import full_store, run_id
from tests.tui.test_tui_failures import opened as failures
from tests.tui.test_tui_hosts import FOUND
from tests.tui.test_tui_playground import cells
from tests.tui.test_tui_playground import opened as playground
from tests.tui.test_tui_training import app_on, listed, plots
from tests.tui.test_tui_training_snapshots import store as jobs_store
from tui.app import WorkbenchApp
from tui.screens.experiments.trials import TrialsScreen
from tui.screens.home.home import HomeScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.run.run import RunScreen
from tui.screens.training.job import JobScreen
from tui.screens.training.launch import LaunchScreen
from tui.theme import SERIES, THEME, contrast, own_variables
from tui.widgets.graph_view import GraphView
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView

__all__ = ["full_store", "jobs_store"]  # fixtures
Picture = Callable[..., Awaitable[None]]
LABELS = (
    "vanilla",
    "flowreasoner,operators=aflow-code,rounds=1",
    "flowreasoner,operators=aflow-code,rounds=5",
    "aflow",
)


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a picture may take longer than the workbench waits before it calls a wait a stall."""
    monkeypatch.setattr("tui.app.STALL_SECONDS", 3600.0)


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> Picture:
    """Compares the screen with the picture of this name."""
    kept = snapshot.use_extension(PictureExtension)

    async def compare(pilot: Pilot[Any], name: str) -> None:
        assert await pictures(pilot) == kept(name=name)

    return compare


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four variants on twelve problems with ids and labels as long as real ones."""
    monkeypatch.chdir(tmp_path)
    path = Path("store.db")
    kinds = {
        "P": PASS,
        "F": FAIL,
        "1": FIRST,
        "2": SECOND,
        "E": Ran("error", error="worker: connection refused"),
    }
    went = ("11PFFFPPFFPF", "PP2PPPPPFPPE", "FFFFFFPPFFPP", "PPPPFPPPFPPP")
    trials = {
        label: {f"pocket/held-out-77-{n}": [kinds[letter]] for n, letter in enumerate(side, 1)}
        for label, side in zip(LABELS, went, strict=True)
    }
    store_experiment(path, "first", trials, benchmark="pocket", split="held-out")
    store_experiment(path, "second", {LABELS[1]: trials[LABELS[1]]}, benchmark="pocket", split="held-out")
    return path


def table(app: WorkbenchApp, id: str) -> TableView:
    return app.screen.query_one(f"#{id}", TableView)


async def home(pilot: Pilot[Any]) -> None:
    await pilot.press("1")
    await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


@pytest.mark.parametrize("theme", [THEME, *BUILTIN_THEMES.values()], ids=lambda theme: theme.name)
def test_what_is_drawn_beside_each_other_has_different_colours(theme: Theme) -> None:
    variables = theme.to_color_system().generate()
    own = own_variables(variables, dark=theme.dark)
    assert len({own[name] for name in SERIES[:4]}) == 4
    if not theme.dark and not theme.ansi:
        assert contrast(Color.parse("#000"), Color.parse("#fff")) == pytest.approx(21)
        for background in (Color.parse(own["primary-muted"]), Color.parse(variables["background"])):
            for name in ("warning", "error", "success", "accent", "primary"):
                assert contrast(Color.parse(own[f"text-{name}"]), background) >= 4.5
        keys, footer = own["footer-key-foreground"], variables["surface"]
        assert contrast(Color.parse(keys), Color.parse(footer)) >= 4.5


async def test_screens_of_runs(picture: Picture, full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: table(app, "recent").count and table(app, "failures").count)
        await picture(pilot, "home")
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.focused is not None)
        await picture(pilot, "new-run")
        await pilot.press("escape", "2")
        await until(pilot, lambda: app.screen.name == "runs" and table(app, "runs").count == 7)
        await picture(pilot, "runs")
        await failures(pilot)
        await picture(pilot, "failures")
        app.open_trace(run_id(0))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        await until(pilot, lambda: app.focused is not None and app.screen.query_one(OutlineView).count)
        await until(pilot, lambda: "ScEnsemble" in app.screen.query_one(GraphView).plain_text)
        await picture(pilot, "run")


async def test_screens_of_experiments(picture: Picture, experiment: Path) -> None:
    app = app_of(ScriptedWorkbench(experiment))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: app.screen.name == "experiments" and table(app, "experiments").count == 2)
        await until(pilot, lambda: table(app, "trials").count and table(app, "variants").count)
        await picture(pilot, "experiments")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TrialsScreen) and table(app, "trials").count)
        await picture(pilot, "trials")
        for sides in (2, 3, 4):
            await home(pilot)
            screen = await comparing(pilot, *(f"first:{label}" for label in LABELS[:sides]))
            await picture(pilot, f"compare-{sides}")
            if sides == 2:
                await pilot.press("right_square_bracket", "right_square_bracket")
                await until(pilot, lambda: app.focused is table(app, "flips") and table(app, "flips").count)
                await picture(pilot, "flips")
                await pilot.press("right_square_bracket")
                await until(pilot, lambda: app.focused and app.focused.id == "charts-page")
                await picture(pilot, "charts")
        assert screen.state.comparison is not None and len(screen.state.comparison.sides) == 4


async def test_screens_of_training(picture: Picture, jobs_store: Path) -> None:
    app = app_on(jobs_store)
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app, 3)
        await picture(pilot, "training")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and plots(app)[:1] == ["reward_mean"])
        await picture(pilot, "job")
        await pilot.press("escape", "n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)
        await picture(pilot, "new-job")


async def test_playground(picture: Picture, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await record(path, [parent_run(), grid_run()])
    app = app_of(ScriptedWorkbench(path))
    async with app.run_test(size=WIDE) as pilot:
        screen = await playground(pilot, GRID)
        await until(pilot, lambda: "2/2 tests" in cells(screen)[1][1])
        await picture(pilot, "playground")


async def test_hosts(picture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "survey", lambda hosts: [FOUND])
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: app.screen.name == "hosts" and table(app, "containers").count == 2)
        await picture(pilot, "hosts")
