"""The playground as a place of its own: the step that was edited last, or the first of the newest run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.safe import one_line
from tui.screens.playground.playground import LAST, PlaygroundScreen

if TYPE_CHECKING:
    from store.reader import Reader
    from tui.places import Places

_RUNS = 50  # how many of the newest runs are searched for a step that asked a model


async def open_playground(app: Places) -> None:
    """Open it on Home; where there is no step to play with, say what to do."""
    from store.errors import StoreError

    remembered = app.memory.get(LAST)
    try:
        found = await app.records.read(lambda reader: _step(reader, remembered))
    except StoreError as error:
        app.notify(one_line(str(error), 300), severity="warning", markup=False)
        return
    if found is None:
        app.notify("No run has asked a model yet; press r to start one, then 7 to edit its prompt.")
        return
    app.action_home()
    app.push_screen(PlaygroundScreen(*found))


def _step(reader: Reader, remembered: object) -> tuple[str, str] | None:
    """The run and step that are remembered, if they are stored; else the newest that asked a model."""
    if isinstance(remembered, list) and len(remembered) == 2:
        run_id, step_id = str(remembered[0]), str(remembered[1])
        if any(step.id == step_id for step in reader.steps(run_id)):
            return run_id, step_id
    for run in reader.runs(limit=_RUNS).rows:
        if run.status != "running" and run.variant != "playground":
            for call in reader.model_calls(run.id):
                if call.step_id is not None:
                    return run.id, call.step_id
    return None
