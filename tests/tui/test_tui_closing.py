"""Work in the background that comes to a screen which is being closed, and has lost its widgets."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App
from textual.css.query import NoMatches
from textual.worker import WorkerFailed

from tui.screens.base import WorkbenchScreen


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


async def test_work_that_comes_too_late_is_over() -> None:
    app: App[None] = App()
    screen = Looking(at_once=False)
    async with app.run_test() as pilot:
        await app.push_screen(screen)
        await pilot.pause()
    assert screen.looked


async def test_a_widget_that_is_missed_while_the_screen_is_open_is_an_error() -> None:
    app: App[None] = App()
    with pytest.raises(WorkerFailed) as caught:
        async with app.run_test() as pilot:
            await app.push_screen(Looking(at_once=True))
            await pilot.pause()
    assert isinstance(caught.value.error, NoMatches)
