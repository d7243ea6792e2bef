"""Finding one's way: the places on their digits, the line that names them, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App

from tests.tui.pilots import app_of, record, told, until
from tests.tui.playground_script import PARENT, parent_run
from tests.tui.scripted import ScriptedSettings, ScriptedWorkbench, passing_run
from tui.screens.home.home import HomeScreen
from tui.screens.playground.playground import PlaygroundScreen
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TABS, TitleBar


def bar(app: App[None]) -> TitleBar:
    return app.screen.query_one(TitleBar)


def line(app: App[None]) -> str:
    return str(bar(app).render()).partition("\n")[0]


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("2", "Runs"),
        ("4", "Failures"),
        ("5", "Experiments"),
        ("6", "Compare"),
        ("8", "Training"),
        ("9", "Hosts"),
    ],
)
async def test_each_digit_is_a_place_and_escape_leads_home(tmp_path: Path, key: str, place: str) -> None:
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test() as pilot:
        await pilot.press(key)
        await until(pilot, lambda: bool(app.screen.query(TitleBar)) and bar(app).trail == [place])
        assert f"{key} {place}" in line(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert bar(app).trail == ["Home"]


@pytest.mark.parametrize(("width", "shown"), [(160, "4 Failures"), (80, "4 Fail"), (50, "4 ")])
async def test_names_give_way_before_digits_do(tmp_path: Path, width: int, shown: str) -> None:
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: bool(app.screen.query(TitleBar)) and bar(app).trail == ["Experiments"])
        text = line(app)
        assert len(text) <= width
        assert "5 Experiments" in text, "the place one is in keeps its name"
        assert shown in text
        assert all(f" {number} " in text for number in range(1, 10))


async def test_the_way_is_named_and_walked_back(tmp_path: Path) -> None:
    workbench = ScriptedWorkbench(tmp_path / "store.db")
    await record(workbench.store_path, [passing_run()])
    app = app_of(workbench)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("2")
        await until(
            pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.query_one(TableView).count
        )
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        await until(pilot, lambda: bar(app).trail[:2] == ["Runs", "Trace"])
        assert "2 Runs" in line(app) and " › Trace › " in line(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        assert bar(app).trail == ["Runs"]


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_a_long_way_keeps_its_end_and_the_line_its_width(tmp_path: Path, width: int) -> None:
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: bool(app.screen.query(TitleBar)))
        bar(app).crumb = "Home › pocket-held-out-experiment › Trials of flowreasoner › Trace › pocket/77-149"
        text = line(app)
        assert len(text) <= width
        assert all(f" {number} " in text for number in range(1, 10))
        assert text.removesuffix("◆ FlowReasoner").rstrip().endswith("pocket/77-149"), "the end is cut last"
        assert ("…" in text) is (width < 120)


async def test_a_click_goes_to_the_place_and_the_keymap_is_shown(tmp_path: Path) -> None:
    settings = ScriptedSettings(keymap={"app.hosts": "H"})
    app = app_of(ScriptedWorkbench(tmp_path / "store.db", settings=settings))
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: "H Hosts" in line(app))
        await pilot.click(TitleBar, offset=(line(app).index("Runs") + 1, 0))
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_the_playground_opens_from_everywhere_once_a_run_has_asked_a_model(tmp_path: Path) -> None:
    workbench = ScriptedWorkbench(tmp_path / "store.db")
    app = app_of(workbench)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: any("press r to start one" in text for text in told(app)))
        await record(workbench.store_path, [parent_run()])
        await pilot.press("4", "7")
        await until(pilot, lambda: isinstance(app.screen, PlaygroundScreen))
        await until(pilot, lambda: len(bar(app).trail) > 1)
        assert bar(app).trail[0] == "Playground"
        assert app.memory.get("playground")[0] == PARENT
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


def test_every_place_is_an_action_with_a_key_of_its_own() -> None:
    from tui.actions import BY_ID

    keys = [BY_ID[f"app.{tab.action}"].key for tab in TABS]
    assert keys == [str(number) for number in range(1, 10)]
