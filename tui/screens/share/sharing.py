"""Exporting the run that is on screen, and importing a bundle: the dialogs and the work behind them."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tui.safe import one_line

if TYPE_CHECKING:
    from textual.screen import Screen

    from engine.config import Settings
    from tui.app import WorkbenchApp
    from tui.screens.share.share import Choice


def run_on(screen: Screen[object]) -> str | None:
    """The id of the run that is shown, or that the cursor is on."""
    from tui.screens.run.run import RunScreen
    from tui.screens.runs.runs import RunsScreen
    from tui.widgets.table_view import TableView

    if isinstance(screen, RunScreen):
        return screen.session.state.run_id or None
    return screen.query_one("#runs", TableView).selected if isinstance(screen, RunsScreen) else None


def share(app: WorkbenchApp) -> None:
    """Ask how the run on screen is to leave, and write it."""
    from tui.screens.share.share import ShareScreen

    run_id = run_on(app.screen)
    if run_id is None:
        app.notify("Open a run, or select one in the list of runs, first.")
        return

    def write(choice: Choice | None) -> None:
        if choice is not None:
            app.run_worker(partial(_export, app, run_id, choice), group="share", exit_on_error=False)

    app.push_screen(ShareScreen(run_id, app.workbench.store_path.parent / "exports"), write)


def import_runs(app: WorkbenchApp) -> None:
    """Ask for a bundle, and store its runs."""
    from tui.screens.share.share import ImportScreen

    def read(path: str | None) -> None:
        if path is not None:
            app.run_worker(partial(_import, app, Path(path).expanduser()), group="share", exit_on_error=False)

    app.push_screen(ImportScreen(), read)


async def _export(app: WorkbenchApp, run_id: str, choice: Choice) -> None:
    from engine.config import ConfigError
    from store.errors import StoreError
    from store.exports.files import ExportError
    from tui.sharing.export_runs import Wanted, export_runs, sentence

    def write() -> str:
        wanted, settings = Wanted((run_id,)), _settings(app)
        if choice.format == "otlp":
            return sentence(export_runs(settings, wanted, "otlp", endpoint=choice.where))
        return sentence(export_runs(settings, wanted, choice.format, out=Path(choice.where).expanduser()))

    try:
        app.notify(one_line(await asyncio.to_thread(write), 300), timeout=15)
    except (ExportError, StoreError, ConfigError) as error:
        app.notify(one_line(str(error), 300), severity="error", timeout=15)


async def _import(app: WorkbenchApp, path: Path) -> None:
    from engine.config import ConfigError
    from store.errors import StoreError
    from store.exports.files import ExportError
    from tui.screens.runs.runs import RunsScreen
    from tui.sharing.export_runs import imported, imported_sentence

    try:
        done = await asyncio.to_thread(lambda: imported(_settings(app), path))
    except (ExportError, StoreError, ConfigError) as error:
        app.notify(one_line(str(error), 300), severity="error", timeout=15)
        return
    app.notify(imported_sentence(done))
    if isinstance(app.screen, RunsScreen):
        app.screen.action_reload()


def _settings(app: WorkbenchApp) -> Settings:
    """Those in force, with the store that is on screen: they know the keys that must not leave."""
    from engine.config import load

    return load().model_copy(update={"store": app.workbench.store_path})
