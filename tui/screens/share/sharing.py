"""Exporting a run, and importing a bundle: the dialogs and the work behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App

from tui.safe import one_line

if TYPE_CHECKING:
    from engine.config import Settings
    from tui.screens.share.share import Choice


def share(app: App[Any], run_id: str, store: Path) -> None:
    """Ask how a run of the store is to leave, and write it."""
    from tui.screens.share.share import ShareScreen

    def write(choice: Choice | None) -> None:
        if choice is not None:
            app.run_worker(partial(_export, app, store, run_id, choice), group="share", exit_on_error=False)

    app.push_screen(ShareScreen(run_id, store.parent / "exports"), write)


def import_runs(app: App[Any], store: Path, then: Callable[[], None]) -> None:
    """Ask for a bundle, store its runs, and `then` go on."""
    from tui.screens.share.share import ImportScreen

    def read(path: str | None) -> None:
        if path is not None:
            work = partial(_import, app, store, path, then)
            app.run_worker(work, group="share", exit_on_error=False)

    app.push_screen(ImportScreen(), read)


async def _export(app: App[Any], store: Path, run_id: str, choice: Choice) -> None:
    from engine.paths import expanded
    from sandbox.errors import ExpectedError
    from tui.sharing.export_runs import Wanted, export_runs, sentence

    def write() -> str:
        wanted, settings = Wanted((run_id,)), _settings(store)
        if choice.format == "otlp":
            return sentence(export_runs(settings, wanted, "otlp", endpoint=choice.where))
        return sentence(export_runs(settings, wanted, choice.format, out=expanded(choice.where)))

    try:
        app.notify(one_line(await asyncio.to_thread(write), 300), timeout=15)
    except ExpectedError as error:
        app.notify(one_line(str(error), 300), severity="error", timeout=15)


async def _import(app: App[Any], store: Path, path: str, then: Callable[[], None]) -> None:
    from engine.paths import expanded
    from sandbox.errors import ExpectedError
    from tui.sharing.export_runs import imported, imported_sentence

    try:
        done = await asyncio.to_thread(lambda: imported(_settings(store), expanded(path)))
    except ExpectedError as error:
        app.notify(one_line(str(error), 300), severity="error", timeout=15)
        return
    app.notify(imported_sentence(done))
    then()


def _settings(store: Path) -> Settings:
    """Those in force, with the store that is on screen: they know the keys that must not leave."""
    from engine.config import load

    return load().model_copy(update={"store": store})
