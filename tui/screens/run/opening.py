"""Runs of the store on the screen: as they are stored, or followed where they are in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import StoreError
from tui.safe import one_line
from tui.screens.run.run import RunScreen
from tui.session import RunSession

if TYPE_CHECKING:
    from tui.app import WorkbenchApp


def open_trace(app: WorkbenchApp, run_id: str) -> None:
    """Show a run of the store; one that runs here is shown live."""
    session = next((s for s in app.engines.sessions if s.state.run_id == run_id), None)
    if session is not None:
        session.live = session.live and not session.state.finished  # one that has ended is like any other
        app.push_screen(RunScreen(session))
    else:
        app.push_screen(RunScreen(RunSession(app.clock, live=False, title=run_id), run_id=run_id))


async def open_run(app: WorkbenchApp, run_id: str) -> None:
    """Show a run of the store that may be in progress elsewhere; then it is followed."""
    try:
        row = await app.records.run(run_id)
    except StoreError as error:
        app.notify(one_line(str(error), 300), severity="warning")
        return
    if row.status == "running" and app.engines.session_of(run_id) is None:
        await app.workbench.live()  # which engine it is in
        app.push_screen(RunScreen(app.engines.follow(run_id, row.problem_id)))
        return
    app.open_trace(run_id)
