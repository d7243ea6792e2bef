"""The footer: whole keys, as many as fit, help and quit among them; a click on one is that key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.tui.pilots import app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.help.help import HelpScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.runs.runs import RunsScreen
from tui.widgets.footer import Footer


def line(app: App[None]) -> str:
    return str(app.screen.query_one(Footer).render())


async def clicked(pilot: Pilot[None], text: str) -> None:
    await pilot.mouse_down(Footer, offset=(line(pilot.app).index(text), 0))


@pytest.mark.parametrize("width", [20, 40, 55, 80, 200])
async def test_keys_are_shown_whole_and_help_and_quit_always(tmp_path: Path, width: int) -> None:
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "Help" in line(app))
        text = line(app)
        *others, help_, quit_ = [" ".join(words.split()) for words in text.split("  ") if words.strip()]
        labels = {
            f"{app.get_key_display(b.binding)} {b.binding.description}"
            for b in app.screen.active_bindings.values()
        }

        assert len(text) == width
        assert (help_, quit_) == ("? Help", "^q Quit")
        is_cut = "…" in text
        assert is_cut is (width < 200)
        assert {other.removesuffix("…").strip() for other in others} - {""} <= labels
        assert ("^p Palette" in text, "r New run" in text) == (width == 200, width == 200)


async def test_a_click_is_the_key(tmp_path: Path) -> None:
    app = app_of(ScriptedWorkbench(tmp_path / "store.db"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "New run" in line(app))
        await clicked(pilot, "New run")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("escape", "2")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "Help" in line(app))
        await clicked(pilot, " ? ")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
