"""The same terminal for every test: no SSH, no colour or theme wishes, one time zone, cursors always on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.tui.undrawn import undrawn


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR", "TEXTUAL_THEME", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    # A picture would show the cursor on or off. Without `cursor_blink`, fields keep lines that were drawn
    # before they had the focus.
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda _: None)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def drawing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Apps draw what is looked at; all there is to draw in tests with the mark `drawn`."""
    with nullcontext() if request.node.get_closest_marker("drawn") else undrawn():
        yield


@pytest.fixture(autouse=True)
def keys_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """`press` returns once its keys have been dealt with, and not while a screen's first read holds them."""
    from tests.tui.pilots import until

    press = Pilot.press

    async def arrived(pilot: Pilot[Any], *keys: str) -> None:
        await press(pilot, *keys)
        order = getattr(pilot.app, "_keys", None)
        if order is not None and order.is_held:
            await until(pilot, lambda: not order.is_held)

    monkeypatch.setattr(Pilot, "press", arrived)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store would be; nothing is there yet."""
    return tmp_path / "store.db"


@pytest.fixture
def snap_compare(snap_compare: Callable[..., bool]) -> Callable[..., bool]:
    """The plugin's, which takes a picture of an app; but not before what the screen shows stays the same."""
    from tests.tui.pictures import settled

    def compare(
        app: App[Any], run_before: Callable[[Pilot[Any]], Awaitable[None]], terminal_size: tuple[int, int]
    ) -> bool:
        async def ready(pilot: Pilot[Any]) -> None:
            await run_before(pilot)
            await settled(pilot, read=False)

        return snap_compare(app, run_before=ready, terminal_size=terminal_size)

    return compare
