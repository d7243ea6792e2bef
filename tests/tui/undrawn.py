"""A headless app has no terminal, so nobody sees what it draws for one: a third of the tests' time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from rich.console import RenderableType
from textual._compositor import Compositor
from textual.app import App
from textual.screen import Screen

_update, _shutdown = Compositor.render_update, App._shutdown


@contextmanager
def undrawn() -> Iterator[None]:
    """Apps draw only what is looked at: pictures, and at its end whatever an app shows, so that what
    cannot be drawn fails a test.
    """
    with patch.object(Compositor, "render_update", _when_whole), patch.object(App, "_shutdown", _drawn_once):
        yield


def _when_whole(
    self: Compositor,
    full: bool = False,
    screen_stack: list[Screen[object]] | None = None,
    simplify: bool = False,
) -> RenderableType | None:
    if full:
        return _update(self, full, screen_stack, simplify)
    self._dirty_regions.clear()  # as drawing does
    return None


async def _drawn_once(self: App[object]) -> None:
    try:
        for screen in self.screen_stack:
            _update(screen._compositor, full=True)
    finally:
        await _shutdown(self)
