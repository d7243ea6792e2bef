"""What screens say where there is little to say: no key that does nothing, no answer that was none."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.events import RunFinished
from tests.support.job_folders import BEGUN, JobFolder
from tests.tui.pilots import SMALL, WIDE, app_of, record, until
from tests.tui.scripted import ScriptedWorkbench, failing_run
from tests.tui.test_tui_training import app_on, opened
from tui.app import WorkbenchApp
from tui.screens.help.help import HelpScreen
from tui.screens.training.job import TABS, JobScreen
from tui.trace.marks import outcome_words
from tui.widgets.footer import Footer
from tui.widgets.line_view import LineView
from tui.widgets.table_view import TableView

PLACES = {"1": "home", "4": "failures", "5": "experiments", "8": "training", "9": "hosts"}


def offered(app: WorkbenchApp) -> set[str]:
    """The actions that the footer shows."""
    return {b.binding.action for b in app.screen.query_one(Footer)._bindings.values() if b.enabled}


@pytest.mark.parametrize(
    ("status", "score", "words"),
    [
        ("failed", None, "no answer"),
        ("failed", 0.0, "wrong answer"),
        ("failed", 0.5, "wrong answer"),
        ("passed", 1.0, "passed"),
        ("answered", None, "answered"),
        ("infra", None, "infrastructure failed"),
    ],
)
def test_a_run_that_was_never_scored_gave_no_answer(status: str, score: float | None, words: str) -> None:
    assert outcome_words(status, score) == words


async def test_lists_say_so_too(store: Path) -> None:
    events = failing_run()
    events[-1] = dataclasses.replace(events[-1], score=None, error=None)  # type: ignore[call-arg]
    assert isinstance(events[-1], RunFinished)
    await record(store, [events])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.screen.query_one("#failures", TableView).count)
        row = app.screen.query_one("#failures", TableView).plain_text.splitlines()[1]
        assert "wrong answer" not in row and "score" not in row


async def test_a_job_offers_what_it_and_its_tab_have_a_use_for(store: Path) -> None:
    job = JobFolder(store.parent / "jobs", "01done", created=BEGUN)
    job.recipe("sft-embedded")
    job.start()
    job.runs()
    looks = {"log", "smooth", "axis"}
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        screen = app.screen
        assert isinstance(screen, JobScreen)
        await until(pilot, lambda: offered(app) >= {"filter", "stop"})
        assert not offered(app) & {"later", "evaluate", "compare", *looks}  # no curve, no checkpoint
        for step in (1, 2):
            job.step(step, **{f"m{n}": 1.0 for n in range(10)})  # a page of curves holds nine
        job.checkpoint(2)
        job.end()
        job.ended_as("done")
        await until(pilot, lambda: offered(app) >= {"filter", "later", "evaluate", *looks})
        assert not offered(app) & {"stop", "compare"}  # no experiment has tried the checkpoint
        for tab in TABS[1:]:
            screen.show_tab(tab)
            expected = {"evaluate"} | ({"filter"} if tab == "Log" else set())
            await until(
                pilot,
                lambda expected=expected: (
                    offered(app) & {"filter", "later", "stop", "evaluate", "compare", *looks} == expected
                ),
            )


async def test_tab_goes_through_every_pane_and_help_names_it(store: Path) -> None:
    await record(store, [failing_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        for key, name in PLACES.items():
            await pilot.press(key)
            await until(pilot, lambda name=name: app.screen.name == name and app.focused is not None)
            screen = app.screen
            panes = {w for w in screen.query(LineView) if w.focusable and w.region.area}
            reached = await _gone_through(pilot)
            assert panes <= reached, name
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            assert "Go to the next pane." in str(app.screen.query_one("#told").render())
            await pilot.press("escape")
            await until(pilot, lambda screen=screen: app.screen is screen)


async def _gone_through(pilot: Pilot[Any]) -> set[Any]:
    """What tab focuses, until it comes round."""
    reached: set[Any] = set()
    while pilot.app.focused not in reached:
        reached.add(pilot.app.focused)
        await pilot.press("tab")
    return reached


async def test_help_is_wrapped_to_the_room_there_is_after_a_resize(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await app.push_screen(HelpScreen("compare", {}))
        told = app.screen.query_one("#told")
        await pilot.resize_terminal(*SMALL)
        await until(pilot, lambda: told.region.width <= SMALL[0])
        lines = str(told.render()).splitlines()
        assert max(map(len, lines)) <= told.content_size.width
        # Keys and titles that are longer than their columns stand apart from what follows.
        joined = " ".join(" ".join(lines).split())
        assert "t Trace of the baseline Open the baseline's whole trace." in joined
        assert "pgdn ctrl+d space Page down One page down." in joined
