"""The start: a first screen before the settings are read, and what follows once they are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from engine.config import ConfigError
from tests.tui.pilots import app_of, until
from tests.tui.scripted import ScriptedSettings, ScriptedWorkbench
from tui.app import WorkbenchApp
from tui.screens.home.home import HomeScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.runs.runs import RunsScreen


class LateWorkbench(ScriptedWorkbench):
    """Its settings are there once `release` is set; with `wrong`, they cannot be used."""

    def __init__(
        self, store_path: Path, *, settings: ScriptedSettings | None = None, wrong: str = ""
    ) -> None:
        super().__init__(store_path, settings=settings)
        self.release = threading.Event()
        self.has_settings = False
        self._wrong = wrong

    @property
    def theme(self) -> str:
        return "flowreasoner"

    def __getattribute__(self, name: str) -> Any:
        if name == "settings" and "release" in self.__dict__:
            self.release.wait()
            if self._wrong:
                raise ConfigError(self._wrong)
            self.has_settings = True
        return super().__getattribute__(name)


def setup(app: WorkbenchApp) -> str:
    return str(app.screen_stack[0].query_one("#setup", Static).render())


async def test_home_is_shown_first_and_keys_wait_for_the_keymap(tmp_path: Path) -> None:
    settings = ScriptedSettings(keymap={"app.runs": "L"}, variant="vanilla")
    workbench = LateWorkbench(tmp_path / "store.db", settings=settings)
    app = app_of(workbench)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "…" in setup(app))
        await pilot.press("L")
        assert isinstance(app.screen, HomeScreen)
        assert "vanilla" not in setup(app)
        workbench.release.set()
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: "vanilla" in setup(app))


async def test_settings_that_cannot_be_used_close_it_with_the_reason(tmp_path: Path) -> None:
    workbench = LateWorkbench(tmp_path / "store.db", wrong="config.toml: budget.steps: must be a number")
    app = app_of(workbench)
    workbench.release.set()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.failure is not None)
    assert str(app.failure) == "config.toml: budget.steps: must be a number"


@pytest.mark.parametrize("is_found", [True, False])
async def test_the_request_that_is_found_opens_its_form(tmp_path: Path, is_found: bool) -> None:
    workbench = LateWorkbench(tmp_path / "store.db")
    request = workbench.default_request() if is_found else None
    app = app_of(workbench, find_request=lambda: request)
    async with app.run_test() as pilot:
        await pilot.press("2")  # typed before it is known what there is to open
        workbench.release.set()
        if is_found:
            await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        else:
            await until(pilot, lambda: isinstance(app.screen, RunsScreen))
