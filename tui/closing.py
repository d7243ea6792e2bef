"""What is missed because a screen, or the whole workbench, is being closed."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.worker import NoActiveWorker, WorkerFailed, get_current_worker


def is_missed_at_the_end(app: App[Any], error: Exception) -> bool:
    """Whether `error` is that a widget was missed by what is being closed.

    Textual takes the widgets away first. Then it still mounts a screen that was opened a moment before, and
    only then cancels the screen's workers, one of which may just have come back from the store.
    """
    missed = error.error if isinstance(error, WorkerFailed) else error
    return isinstance(missed, NoMatches) and (app._exit or _is_worker_of_a_closed_screen())


def _is_worker_of_a_closed_screen() -> bool:
    try:
        nodes = get_current_worker().node.ancestors_with_self
    except NoActiveWorker:
        return False
    # What is closed is not displayed; other widgets can be hidden, too.
    return any(isinstance(node, App | Screen) and not node.display for node in nodes)
