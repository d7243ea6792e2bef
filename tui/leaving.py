"""Leaving the workbench: what goes on without it, and what would be lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from textual.app import App
from textual.screen import Screen

from tui.format import plural
from tui.screens.base import WorkbenchScreen

if TYPE_CHECKING:
    from tui.engines import Engines


def leave(app: App[None], engines: Engines) -> None:
    """Close the workbench, after asking where that would lose something. Forms are no loss: their drafts are
    kept.
    """
    unkept, waiting = list(_unkept(app.screen_stack)), list(_waiting(engines))
    message = " ".join(filter(None, (*waiting, going_on(engines)))) or None
    if not unkept and not waiting:
        app.exit(message=message)
        return
    from tui.screens.confirm.confirm import ConfirmScreen

    def decided(yes: bool | None) -> None:
        if yes:
            app.exit(message=message)

    question = " ".join(filter(None, (*unkept, message, "Leave?")))
    app.push_screen(ConfirmScreen(question, "Leave", "Stay"), decided)


def going_on(engines: Engines) -> str | None:
    """What goes on when the screens close, and how to follow it; None where nothing does."""
    runs = [s.run_id for s in engines.running if s.run_id and s.state.stop is None]
    experiments = sorted(engines.under_way)
    parts = [message for message in (_named("run", runs), _named("experiment", experiments)) if message]
    if not parts:
        return None
    message = ", and ".join(parts)
    verb = "continues" if len(runs) + len(experiments) == 1 else "continue"
    return f"{message[:1].upper()}{message[1:]} {verb}; follow with `flowreasoner attach`."


def _named(noun: str, names: list[str]) -> str:
    """The first by name, the others by their number; "" for none."""
    more = f" and {plural(len(names) - 1, f'other {noun}')}" if names[1:] else ""
    return f"{noun} {names[0]}{more}" if names else ""


def _unkept(screens: Iterable[Screen[object]]) -> Iterator[str]:
    for screen in screens:
        if isinstance(screen, WorkbenchScreen) and (loss := screen.unkept()):
            yield loss


def _waiting(engines: Engines) -> Iterator[str]:
    for session in engines.running:
        if session.state.stop is not None:
            yield f"Run {session.run_id} is paused, and waits for you: `flowreasoner attach`."
