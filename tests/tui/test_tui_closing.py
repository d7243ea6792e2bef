"""A screen that is being closed misses its widgets: work in the background does, and one that opens then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.css.query import NoMatches
from textual.worker import WorkerFailed

from tests.tui.pilots import app_of
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.base import WorkbenchScreen
from tui.screens.pick.pick import PickScreen


class Looking(WorkbenchScreen[None]):
    """It misses a widget: at once, or as what it was doing is ended because it is being closed."""

    def __init__(self, *, at_once: bool) -> None:
        super().__init__()
        self.work = self.look if at_once else self.wait
        self.looked = False

    def on_mount(self) -> None:
        self.run_worker(self.work)

    async def wait(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.run_worker(self.look)

    async def look(self) -> None:
        self.looked = True
        self.query_one("#gone")


async def test_work_that_comes_too_late_is_over(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    screen = Looking(at_once=False)
    async with app.run_test() as pilot:
        await app.push_screen(screen)
        await pilot.pause()
    assert screen.looked


async def test_a_screen_that_opens_as_the_workbench_ends_is_closed_too(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test():
        app.push_screen(PickScreen("Which?", [("one", "the first")]))
        app.exit()


async def test_a_widget_that_is_missed_while_the_screen_is_open_is_an_error(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    with pytest.raises(WorkerFailed) as caught:
        async with app.run_test() as pilot:
            await app.push_screen(Looking(at_once=True))
            await pilot.pause()
    assert isinstance(caught.value.error, NoMatches)
