"""The form for a new run offers every variant, takes options, and says what is wrong with them."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from engine.variants import VARIANTS
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench, passing_run
from tui.screens.new_run.new_run import NewRunScreen


async def test_every_variant_is_offered_while_its_name_is_typed(store: Path) -> None:
    workbench = ScriptedWorkbench(store, passing_run())
    app = app_of(workbench, initial_request=workbench.default_request())
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        field = app.screen.query_one("#variant", Input)
        app.screen.set_focus(field)
        for name in sorted(VARIANTS):
            field.value = ""
            for letter in name[:-1]:
                await pilot.press("minus" if letter == "-" else letter)
            await until(pilot, lambda name=name: field._suggestion == name)
            await pilot.press("right")
            await until(pilot, lambda name=name: field.value == name)


async def test_the_form_takes_options_and_says_what_is_wrong(store: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("VARIANT = None")
    workbench = ScriptedWorkbench(store, passing_run())
    app = app_of(workbench, initial_request=workbench.default_request())
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        field = app.screen.query_one("#variant", Input)
        for value, words in (
            ("self-refin", "did you mean self-refine?"),
            ("self-refine,speed=3", "option speed"),
            ("self-refine,temperature=9", "less than or equal to 2"),
            ("self-refine,", "is not an option"),
            (str(tmp_path / "broken.py"), "no VARIANT"),
            ("top-k", "top-k first searches over the problems of a task"),
            ("flowsteer,meta_agent=pocket-meta", "pocket-meta was not trained to write"),
            ("maas,encoder=/none", "the sentence encoder '/none' is not there"),
        ):
            field.value = value
            await pilot.press("ctrl+r")
            assert words in str(app.screen.query_one("#complaint").render()), value
        assert not workbench.requests
        field.value = "self-refine,max_refinements=2"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: workbench.requests)
        assert workbench.requests[0].variant == "self-refine,max_refinements=2"
