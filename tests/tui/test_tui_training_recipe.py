"""The form of a new job shows the settings of the recipe that it names."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.training.launch import LaunchScreen
from tui.screens.training.training import TrainingScreen
from tui.widgets.table_view import TableView


async def test_the_settings_are_those_of_the_recipe_however_its_field_is_left(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        settings, recipe = (
            app.screen.query_one("#fields", TableView),
            app.screen.query_one("#name-recipe", Input),
        )
        await until(pilot, lambda: settings.count > 0 and app.focused is settings)
        app.screen.set_focus(recipe)
        await until(pilot, lambda: app.focused is recipe)
        recipe.value = "grpo-embedded"
        await pilot.press("tab")
        await until(pilot, lambda: "grpo:" in str(settings.border_subtitle))
        assert app.focused is app.screen.query_one("#name-data", Input)  # one goes on with the next field
