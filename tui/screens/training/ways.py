"""The ways from other screens to a new training job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError
from training.jobs.directory import description
from tui.safe import one_line
from tui.screens.training.dataset import Built, DatasetScreen
from tui.screens.training.launch import FIRST, LaunchScreen
from tui.service.jobs.launch import Launch

if TYPE_CHECKING:
    from tui.app import WorkbenchApp


def launch(app: WorkbenchApp, parent: str | None) -> None:
    """Fill in a job, or one that changes the recipe of the job `parent`."""
    if parent is None:
        _fill_in(app, LaunchScreen(Launch(recipe=FIRST)))
        return
    folder = app.jobs.folder_of(parent)
    try:
        name = str(description(folder).get("name", parent))
    except ExpectedError as error:
        app.notify(one_line(str(error), 300), severity="warning")
        return
    recipe = str(folder / "recipe.toml")
    name = one_line(name, 60)
    first = Launch(recipe=recipe, name=f"{name}, changed", parent=parent)
    _fill_in(app, LaunchScreen(first, f"Clone of {name}"))


def build(app: WorkbenchApp, wanted: str, kind: str) -> None:
    """Build a data set of the runs that are `wanted`, then fill in a job on it."""

    def built(found: Built | None) -> None:
        if found is not None:
            _fill_in(app, LaunchScreen(Launch(recipe=found.recipe, data=str(found.folder))))

    app.push_screen(DatasetScreen(app.workbench, kind=kind, wanted=wanted), built)


def _fill_in(app: WorkbenchApp, form: LaunchScreen) -> None:
    def start(filled: Launch | None) -> None:
        if filled is not None:
            app.run_worker(partial(_submit, app, filled), group="submit", exit_on_error=False)

    app.push_screen(form, start)


async def _submit(app: WorkbenchApp, filled: Launch) -> None:
    try:
        job_id = await app.jobs.submit(filled)
    except ExpectedError as error:
        app.notify(one_line(str(error), 300), severity="error", timeout=15)
        return
    app.notify("The job has started; it continues when the workbench closes.")
    app.open_training(job_id)
