"""What tests do not look at is drawn once, at the end of the app."""

from __future__ import annotations

import pytest
from textual.app import App, RenderResult
from textual.screen import Screen
from textual.widget import Widget


class Broken(Widget):
    DEFAULT_CSS = "Broken { height: 1; width: 10; }"

    def render(self) -> RenderResult:
        raise ValueError("this cannot be drawn")


async def test_what_cannot_be_drawn_fails_a_test_at_its_end() -> None:
    app = App[None]()
    reached = False
    with pytest.raises(ValueError, match="cannot be drawn"):
        async with app.run_test() as pilot:
            await app.screen.mount(Broken())
            await pilot.pause()
            await app.push_screen(Screen())  # below another one, too
            reached = True
    assert reached


@pytest.mark.drawn
async def test_a_test_with_the_mark_draws_at_once() -> None:
    app = App[None]()
    with pytest.raises(ValueError, match="cannot be drawn"):
        async with app.run_test() as pilot:
            await app.screen.mount(Broken())
            await pilot.pause()
            assert app._exception is not None
