"""The footer: whole keys, as many as fit, help and quit among them, of actions that are possible; a click on
one is that key.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from sandbox import doctor, inspection, reaper
from tests.tui.experiment_samples import filled, standing
from tests.tui.pilots import app_of, record, told, until
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_experiments import Engines
from tests.tui.test_tui_failures import failing_run, run_id
from tests.tui.test_tui_hosts import FOUND
from tests.tui.test_tui_training import a_job
from tui.screens.help.help import HelpScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.runs.runs import RunsScreen
from tui.widgets.footer import Footer
from tui.widgets.table_view import TableView

# Each list's screen by its key: its name, its table, and the keys on the line without rows and with some.
SHOWN = {
    "2": ("runs", "runs", ("slash f F", "")),
    "4": ("failures", "clusters", ("c", " l n b R F")),
    "5": ("experiments", "experiments", ("n", " f c")),
    "6": ("choose", "variants", ("", "space")),
    "8": ("training", "jobs", ("n", " c space X")),
    "9": ("hosts", "containers", ("c ctrl+r", " s o")),
}
SUSPENDS = {"s"}  # the shell in a container
DONE = {"Removed 1 orphaned container.", "1 run started again; 1 lists them."}


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
        assert is_cut is (width < 55)
        assert {other.removesuffix("…").strip() for other in others} - {""} <= labels
        assert ("^p Palette" in text, "r New run" in text) == (width >= 80, width >= 80)


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


async def test_a_key_that_would_be_typed_is_not_on_the_line(tmp_path: Path) -> None:
    workbench = ScriptedWorkbench(tmp_path / "store.db")
    workbench.settings.keymap = {"runs.failed": "minus", "runs.facets": "s"}
    app = app_of(workbench)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: shown_keys(app) == {"slash", "minus", "s"})
        await pilot.press("slash")
        await until(pilot, lambda: not shown_keys(app) and "^q Quit" in line(app))
        await pilot.press("escape")
        await until(pilot, lambda: shown_keys(app) == {"slash", "minus", "s"})


@pytest.mark.parametrize("is_filled", [False, True], ids=["empty", "filled"])
async def test_every_key_on_the_line_does_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_filled: bool
) -> None:
    """A key that could only say why it does not apply now is left out; where it is pressed, it says so."""
    containers = FOUND.containers if is_filled else ()
    monkeypatch.setattr(
        inspection, "survey", lambda hosts: [dataclasses.replace(FOUND, containers=containers)]
    )
    monkeypatch.setattr(doctor, "examine", lambda hosts: [])
    monkeypatch.setattr(reaper, "reap", lambda client: ["one"])
    monkeypatch.setattr("sandbox.docker_backend.connect", lambda host: host)
    path = tmp_path / "store.db"
    if is_filled:
        filled(path)
        await record(path, [failing_run(run_id(n), 1.79e9 + n) for n in range(4)])
        a_job(tmp_path / "jobs")
    workbench = Engines(path)
    app = app_of(workbench)
    async with app.run_test(size=(200, 60)) as pilot:
        for digit, (name, id, keys) in SHOWN.items():
            await pilot.press(digit)
            screen = app.screen
            assert screen.name == name
            table = screen.query_one(f"#{id}", TableView)
            await until(pilot, lambda table=table: bool(table.count) is is_filled and "…" not in table.empty)
            expected = set((keys[0] + keys[1] * is_filled).split())
            await until(pilot, lambda expected=expected: shown_keys(app) == expected)
            for key in sorted(expected - SUSPENDS):
                await pilot.press(key)
                await until(pilot, lambda: not any(w.group == "open" for w in app.workers if w.is_running))
                assert set(told(app)) <= DONE
                while app.screen is not screen:
                    app.pop_screen()
                    await pilot.pause()
                screen.set_focus(table)
                app.clear_notifications()
        if not is_filled:
            return
        await pilot.press("5", "u")
        await until(pilot, lambda: told(app) == ["All 8 trials of first are done."])
        workbench.standings.append(standing())
        await until(pilot, lambda: shown_keys(app) == {"n", "p", "X", "f", "c"})


def shown_keys(app: App[None]) -> set[str]:
    """The keys of the screen's own actions that are on the line."""
    bindings = app.screen.query_one(Footer)._bindings.values()
    return {b.binding.key for b in bindings if not str(b.binding.id).startswith("app.")}
