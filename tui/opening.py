"""Opening the screens, for somebody who can see them."""

from __future__ import annotations

import sys


def on_terminal() -> bool:
    """Whether somebody can see the screens and press keys."""
    return sys.stdout.isatty() and sys.stdin.isatty()


def open_workbench() -> None:
    """Show the screens until they are left. Raises ExpectedError with why they cannot be shown.

    The first of them is there before the settings have been checked and the store has been read.
    """
    from tui.app import WorkbenchApp
    from tui.service.workbench import EngineWorkbench

    workbench = EngineWorkbench()
    app = WorkbenchApp(workbench, find_request=workbench.first_request)
    app.run()
    if app.failure is not None:
        raise app.failure
